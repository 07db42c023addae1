"""Flags of `run` that let several hosts train each trial together."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_TOGETHER = ("coordinator_address", "num_processes", "process_id")


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add = parser.add_argument
    add(
        "--coordinator_address",
        metavar="HOST:PORT",
        help="several hosts train each trial together: where they meet, on the host of process 0; "
        "start the same command on each, with --num_processes and its own --process_id",
    )
    add("--num_processes", type=int, metavar="N", help="how many hosts there are")
    add("--process_id", type=int, metavar="I", help="which host this is, from 0 to N-1")
    add(
        "--distributed",
        action="store_true",
        help="let JAX find out the three: under Slurm or Open MPI, or on a Cloud TPU slice",
    )


def parse(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """Arguments of `jax.distributed.initialize`; None for one host alone.

    Raises ValueError, one sentence, for flags without a meaning.
    """
    values = {name: getattr(arguments, name) for name in _TOGETHER}
    given = [name for name, value in values.items() if value is not None]
    if arguments.distributed:
        if given:
            raise ValueError(
                f"--distributed lets JAX find out --{given[0]}; leave one of the two out"
            )
        return {}
    if not given:
        return None
    missing = [name for name in _TOGETHER if name not in given]
    if missing:
        raise ValueError(
            f"--{missing[0]} is missing: several hosts need --coordinator_address, --num_processes "
            "and --process_id, or --distributed alone"
        )
    _check(**values)
    return values if values["num_processes"] > 1 else None


def _check(coordinator_address: str, num_processes: int, process_id: int) -> None:
    host, _, port = coordinator_address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(
            f"--coordinator_address={coordinator_address} is no address with a port; expected "
            "HOST:PORT, as in node001:7000"
        )
    if num_processes < 1:
        raise ValueError(f"--num_processes={num_processes}; expected a whole number >= 1")
    if not 0 <= process_id < num_processes:
        raise ValueError(
            f"--process_id={process_id} does not count from 0 to --num_processes - 1, which is "
            f"{num_processes - 1}"
        )


def check_others(arguments: argparse.Namespace, paths: Sequence[Path]) -> None:
    """Raises ValueError, one sentence, for what several hosts cannot do together."""
    from algoperf_lite.submission import find

    if arguments.population is not None:
        raise ValueError(
            "--population spreads members over the devices of one host; leave it or the flags for "
            "several hosts out"
        )
    if arguments.executor != "local":
        raise ValueError(
            f"--executor={arguments.executor} has trials on one host each; leave it or the flags "
            "for several hosts out"
        )
    if arguments.vectorize != "none":
        raise ValueError(
            f"--vectorize={arguments.vectorize} trains on one host; leave it or the flags for "
            "several hosts out"
        )
    if (arguments.num_workers or 1) > 1:
        raise ValueError(
            f"--num_workers={arguments.num_workers}, but several hosts train one trial at a time; "
            "leave it or the flags for several hosts out"
        )
    for path in paths:
        if find.steps_in_python(path):
            raise ValueError(
                f"submission {find.name_of(path)!r} is in AlgoPerf's form (update_params), "
                "which has the devices of one host; leave it or the flags for several hosts out"
            )
