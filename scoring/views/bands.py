"""Bands: median and range over a submission's studies, on one grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.benchmark import Target
from scoring.protocol import UNITS
from scoring.stats.anytime import Curve
from scoring.views.series import Trace

NUM_GRID = 400  # enough for a column of a printed page


@dataclass(frozen=True, eq=False)
class Band:
    """Median and range of one submission over its studies, on G points."""

    submission: str
    x_G: np.ndarray
    middle_G: np.ndarray
    low_G: np.ndarray
    high_G: np.ndarray
    drawstyle: str = "default"


def of_curve(curve: Curve) -> Band:
    """The band of an anytime curve, up to where the submission's last log ends."""
    shown = curve.running_G > 0
    parts = (curve.x_G, curve.median_G, curve.worst_G, curve.best_G)
    # Between evaluations the best so far holds, so these are steps and not slopes.
    return Band(curve.submission, *(part[shown] for part in parts), drawstyle="steps-post")


def medians(own: Sequence[Trace], unit: str) -> Iterator[Band]:
    """Bands of the counted trials, as long as more than half of a submission's studies run."""
    for submission in sorted({trace.submission for trace in own}):
        group = [trace for trace in own if trace.submission == submission]
        xs = [trace.steps if unit == UNITS["steps"] else trace.seconds for trace in group]
        known = [x[np.isfinite(x)] for x in xs]
        if not any(x.size for x in known):
            continue
        x_G = np.linspace(
            min(x.min(initial=np.inf) for x in known), max(map(_last, known)), NUM_GRID
        )
        # Studies evaluate at different seconds, so they are read off on a common grid.
        rows = [
            np.interp(x_G, x, trace.values, left=np.nan, right=np.nan)
            for x, trace in zip(xs, group, strict=True)
            if x.size
        ]
        values_SG = np.sort(rows, axis=0)  # NaN last
        n_G = np.isfinite(values_SG).sum(axis=0)
        # A median of what is left would jump each time that a study ends.
        shown = n_G * 2 > len(group)
        x_G, values_SG, n_G = x_G[shown], values_SG[:, shown], n_G[shown]
        at = np.arange(len(x_G))
        middle_G = (values_SG[(n_G - 1) // 2, at] + values_SG[n_G // 2, at]) / 2
        yield Band(submission, x_G, middle_G, values_SG[0], values_SG[n_G - 1, at])


def _last(x: np.ndarray) -> float:
    return float(x.max(initial=-np.inf))


def limits(bands: Sequence[Band], target: Target) -> tuple[float, float]:
    """Limits of an axis: all of the good side, and of the bad side what most of the run shows."""
    values = np.concatenate([[target.value], *(band.middle_G for band in bands)])
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, (0.0, 0.9) if target.lower_is_better else (0.1, 1.0))
    low, high = min(low, target.value), max(high, target.value)
    room = 0.06 * (high - low) or 0.5
    return float(low - room), float(high + room)
