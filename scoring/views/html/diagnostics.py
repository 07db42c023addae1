"""Diagnostics on the page: small charts of what trials were like inside, in a block for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from scoring.logs import diagnostics
from scoring.logs.diagnostics import Diagnostics
from scoring.logs.format import DIAGNOSTICS, FAILURES
from scoring.logs.read import Trial
from scoring.views.html import blocks
from scoring.views.html.blocks import Block
from scoring.views.series import rounded
from scoring.views.text import counted, plain, printable

MOST_TRIALS = 24
MOST_LOOKS = 200  # that are drawn of a trial
MOST_TYPES = 15  # of parameters
_LOSS = "loss"
# What is drawn, in this order, as far as it is known.
CHARTS = {
    _LOSS: "Training loss",
    "gradient": "Gradient norm",
    "update_to_weight": "Update to weight",
    "params": "Parameter norm",
    "moved": "Moved since the last look",
}


Inside = Block[Diagnostics]


def read(root: Path, trials: Sequence[Trial]) -> list[Inside]:
    """The looks inside all trials that have them, those that failed first."""
    found = blocks.read(root, trials, DIAGNOSTICS, diagnostics.read)
    return sorted(found, key=lambda inside: inside.trial.status not in FAILURES)


def rows(found: Sequence[Inside], places: Mapping[str, int]) -> list[dict]:
    """The text of each trial; `places` are those of the submissions."""
    return [_row(inside, places) for inside in found]


def _row(inside: Inside, places: Mapping[str, int]) -> dict:
    trial, looks = inside.trial, inside.content
    row = blocks.heading(inside, places)
    if looks is None:
        return row
    kinds = _types(looks)
    return {
        **row,
        "says": _sentences(trial, looks),
        "types": [printable(kind).replace("_", " ") for kind in kinds],
        "charts": [(name, CHARTS[name]) for name, values in _drawn(looks, kinds).items() if values],
    }


def _sentences(trial: Trial, looks: Diagnostics) -> str:
    """What the numbers come to."""
    says = []
    if trial.status in FAILURES:
        why = plain(trial.info.get("error") or "without a word")
        says.append(f"{trial.status.replace('_', ' ').capitalize()}: {why}")
    says.append(counted(len(looks.steps_R), "look"))
    spikes = looks.steps_R[looks.spikes_R]
    if spikes.size:
        says.append(f"{counted(len(spikes), 'loss spike')}, the first by step {spikes[0]:,}")
    known = looks.clipped_R[np.isfinite(looks.clipped_R)]
    if known.size:
        says.append(f"{known.mean():.0%} of gradients were longer than grad_clip")
    bad = [row for row, leaf in enumerate(looks.not_finite) if leaf is not None]
    if bad:
        leaf, step = plain(looks.not_finite[bad[0]])[:200], looks.steps_R[bad[0]]
        says.append(f"The first look at something not finite is after step {step:,}: {leaf}")
    return ". ".join(says) + "."


def _types(looks: Diagnostics) -> list[str]:
    """The types of parameters that are drawn."""
    return list(dict.fromkeys(kind for tree in looks.trees.values() for kind in tree))[:MOST_TYPES]


def _drawn(looks: Diagnostics, kinds: Sequence[str]) -> dict[str, list[np.ndarray]]:
    """The lines of each chart; none where there is nothing to see."""
    unknown = np.full(len(looks.steps_R), np.nan)
    lines = {_LOSS: [looks.losses_R]}
    for name in CHARTS:
        if name != _LOSS:
            lines[name] = [looks.trees[name].get(kind, unknown) for kind in kinds]
    seen = {name: any(np.isfinite(line).any() for line in own) for name, own in lines.items()}
    return {name: own if seen[name] else [] for name, own in lines.items()}


def to_json(inside: Inside) -> dict | None:
    """Plain values for the figures; None where there are none."""
    trial, looks = inside.trial, inside.content
    if looks is None:
        return None
    most = min(len(looks.steps_R), MOST_LOOKS)
    kept = np.unique(np.linspace(0, len(looks.steps_R) - 1, most).round().astype(int))
    kinds = _types(looks)
    bad = [place for place, row in enumerate(kept) if looks.not_finite[row] is not None]
    return {
        "name": f"{printable(trial.submission)} on {printable(trial.workload)}",
        "types": [printable(kind).replace("_", " ") for kind in kinds],
        "steps": looks.steps_R[kept].tolist(),
        "spikes": np.flatnonzero(looks.spikes_R[kept]).tolist(),
        "bad": bad[0] if bad else None,
        "charts": {
            name: [[rounded(value, 4) for value in line[kept]] for line in lines]
            for name, lines in _drawn(looks, kinds).items()
            if lines
        },
    }
