"""The diagnostics of a trial: what it was like inside, look by look.

`diagnostics.jsonl` lies in the directory of a trial whose experiment asked for it; the harness's
`trial/diagnostics.py` says what a line holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.logs import json_lines
from scoring.logs.format import DIAGNOSTICS
from scoring.logs.json_lines import LARGEST, expect, number, step_of

# What is told by type of parameters, in the order of a step.
TREES = ("params", "gradient", "update", "update_to_weight", "moved")
_MOST_BYTES = 2**24  # files may be a stranger's
_MOST_TYPES = 40  # AlgoPerf knows 15


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
    found = json_lines.read(path, "look", _MOST_BYTES, _look)
    return None if found is None else _together(found)


def _look(content: Mapping, before: Sequence[dict]) -> dict:
    """The parts of a line that are known here; raises an error that says what is wrong."""
    step = step_of(content)
    expect(not before or step > before[-1]["step"], "no later step")
    spike, clipped = content.get("spike", False), content.get("clipped")
    expect(type(spike) is bool and type(clipped) in (bool, type(None)), "no yes and no no")
    leaf = content.get("not_finite")
    expect(leaf is None or isinstance(leaf, str), "no name of a leaf")
    trees = {}
    for name in TREES:
        by_type = content.get(name, {})
        expect(len(by_type) <= _MOST_TYPES, "too many types of parameters")
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
    found = number(value)
    return found if abs(found) >= 1 / LARGEST else 0.0
