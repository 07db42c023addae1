"""The diagnostics of a trial: what it was like inside, look by look.

`diagnostics.jsonl` lies in the directory of a trial whose experiment asked for it; the harness's
`trial/diagnostics.py` says what a line holds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scoring.logs.format import DIAGNOSTICS

# What is told by type of parameters, in the order of a step.
TREES = ("params", "gradient", "update", "update_to_weight", "moved")
_MOST_BYTES = 2**24  # files may be a stranger's
_MOST_TYPES = 40  # AlgoPerf knows 15
_LARGEST = 1e100  # of any number in it: what is drawn is divided and multiplied
_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """R looks inside a trial."""

    steps_R: np.ndarray
    losses_R: np.ndarray  # mean since the look before; NaN where unknown or not finite
    spikes_R: np.ndarray  # bool
    clipped_R: np.ndarray  # 1 where the gradient was longer than grad_clip, 0, NaN where unknown
    not_finite: tuple[str | None, ...]  # of each look the first leaf, in words
    trees: Mapping[str, Mapping[str, np.ndarray]]  # by tree and type (R,), NaN where unknown


def read(path: str) -> Diagnostics | None:
    """The looks without a torn last line, None where there is no file.

    Raises ValueError, one sentence without the path, where it is damaged.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{DIAGNOSTICS} cannot be read: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise ValueError(f"{DIAGNOSTICS} has more than {_MOST_BYTES // 2**20} MiB and was not read")
    # After the last line end stands what a process that died was writing.
    lines = data.split(b"\n")[:-1]
    if not lines:
        raise ValueError(f"{DIAGNOSTICS} holds no complete look")
    found: list[dict] = []
    for number, line in enumerate(lines):
        try:
            found.append(_look(json.loads(line)))
            _expect(number == 0 or found[-1]["step"] > found[-2]["step"], "no later step")
        except _DAMAGE as error:
            problem = f"{type(error).__name__}: {error}"[:120]
            raise ValueError(f"{DIAGNOSTICS} is damaged in line {number + 1} ({problem})") from None
    return _together(found)


def _look(content: Mapping) -> dict:
    """The parts of a line that are known here; raises an error that says what is wrong."""
    step = content["step"]
    _expect(type(step) is int and 0 <= step < 2**53, "no step")
    spike, clipped = content.get("spike", False), content.get("clipped")
    _expect(type(spike) is bool and type(clipped) in (bool, type(None)), "no yes and no no")
    leaf = content.get("not_finite")
    _expect(leaf is None or isinstance(leaf, str), "no name of a leaf")
    trees = {}
    for name in TREES:
        by_type = content.get(name, {})
        _expect(len(by_type) <= _MOST_TYPES, "too many types of parameters")
        trees[name] = {kind: _number(value) for kind, value in by_type.items()}
    return {
        "step": step,
        "loss": _number(content.get("loss")),
        "spike": spike,
        "clipped": math.nan if clipped is None else float(clipped),
        "not_finite": leaf,
        "trees": trees,
    }


def _together(looks: list[dict]) -> Diagnostics:
    def column(name: str) -> np.ndarray:
        return np.array([look[name] for look in looks])

    trees = {}
    for tree in TREES:
        kinds = dict.fromkeys(kind for look in looks for kind in look["trees"][tree])
        if len(kinds) > _MOST_TYPES:
            raise ValueError(f"{DIAGNOSTICS} has more than {_MOST_TYPES} types of parameters")
        # A look may lack what another one has, as the first one lacks what moved since.
        rows = {k: [look["trees"][tree].get(k, math.nan) for look in looks] for k in kinds}
        trees[tree] = {kind: np.array(values) for kind, values in rows.items()}
    return Diagnostics(
        steps_R=column("step"),
        losses_R=column("loss"),
        spikes_R=column("spike"),
        clipped_R=column("clipped"),
        not_finite=tuple(look["not_finite"] for look in looks),
        trees=trees,
    )


def _number(value: object) -> float:
    if value is None:
        return math.nan
    is_number = type(value) in (int, float) and -_LARGEST <= value <= _LARGEST
    _expect(is_number, f"{str(value)[:40]!r} is no number")
    return float(value) if abs(value) >= 1 / _LARGEST else 0.0


def _expect(is_right: bool, problem: str) -> None:
    if not is_right:
        raise ValueError(problem)
