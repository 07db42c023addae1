"""The flags of precision and determinism, which all commands that train share."""

from collections.abc import Callable
from typing import Any

from algoperf_lite.cli.flag_types import one_of

# Kept apart from `machine.numerics`, as scales are from `experiment`: `--help` need not wait.
PRECISIONS = ("float32", "tf32", "bfloat16")


def add(add_argument: Callable[..., Any]) -> None:
    """Adds them."""
    add_argument(
        "--precision",
        type=one_of("precision", PRECISIONS),
        metavar="P",
        help="float32 (default on a CPU), tf32 (default on a GPU or TPU, as in AlgoPerf), or "
        "bfloat16: what models compute in; parameters, norms and losses are float32 always",
    )
    add_argument(
        "--deterministic",
        action="store_true",
        help="same bits on a GPU from run to run, at some cost in speed; a CPU has them anyway",
    )
