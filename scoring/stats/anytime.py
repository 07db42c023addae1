"""Anytime curves: the best metric so far against seconds or steps, as if stopped there.

A study's curve at x is the best finite metric that any of its trials had logged by then: a trial
is never chosen for what it does later. Between evaluations the last value holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from scoring.benchmark import Target, nearest
from scoring.logs.read import Trial
from scoring.protocol import UNITS

NUM_POINTS = 200  # one for every pixel or two of a small chart


@dataclass(frozen=True, eq=False)
class Curve:
    """One submission on one workload; G points, NaN until half (or all, or any) studies have one.

    Monotone: `median`, `worst` and `best` only improve along x.
    """

    submission: str
    workload: str
    unit: str  # of x: "seconds" or "steps"
    x_G: np.ndarray
    median_G: np.ndarray
    worst_G: np.ndarray  # the band: worst and best study
    best_G: np.ndarray
    running_G: np.ndarray  # studies with a trial whose log reaches as far as x
    num_studies: int

    def to_json(self) -> dict:
        """Plain JSON values, NaN as null."""

        def numbers(values: np.ndarray) -> list:
            return [None if v != v else v for v in values.tolist()]

        return {
            "submission": self.submission,
            "workload": self.workload,
            "unit": self.unit,
            "x": self.x_G.tolist(),
            "median": numbers(self.median_G),
            "worst": numbers(self.worst_G),
            "best": numbers(self.best_G),
            "running": self.running_G.tolist(),
            "num_studies": self.num_studies,
        }


def anytime(
    trials: Iterable[Trial],
    workload: str,
    target: Target,
    by: str = "time",
    x_G: Sequence[float] | np.ndarray | None = None,
) -> tuple[Curve, ...]:
    """Anytime curves of all submissions on one workload, on a common grid, sorted by name.

    Args:
      by: "time" or "steps".
      x_G: the grid, ascending; by default 200 equal steps from 0 to where the last log ends.
    """
    nearest(by, UNITS, "quantity to draw by")
    own = sorted(
        (t for t in trials if t.workload == workload), key=lambda t: (t.submission, t.study)
    )
    if x_G is None:
        x_G = np.linspace(0.0, max(map(lambda t: _end(t, by), own), default=0.0), NUM_POINTS)
    x_G = np.asarray(x_G, np.float64)
    # One grid for all, so that curves can be compared point by point.
    curves = []
    for submission, group in groupby(own, lambda t: t.submission):
        studies = [list(study) for _, study in groupby(group, lambda t: t.study)]
        curves.append(_curve(submission, workload, target, by, x_G, studies))
    return tuple(curves)


def best_so_far(trial: Trial, target: Target, by: str, x_G: np.ndarray) -> np.ndarray:
    """Best finite metric logged at or before each x; greater is better; -inf for none."""
    x, metric = _x(trial, by), trial.metric
    usable = np.isfinite(x) & np.isfinite(metric) & (trial.status != "invalid")
    order = np.flatnonzero(usable)[np.argsort(x[usable], kind="stable")]
    # Signed so that greater is better, whichever the metric.
    signed = -metric[order] if target.lower_is_better else metric[order]
    best = np.append(np.maximum.accumulate(signed), -np.inf)
    return best[np.searchsorted(x[order], x_G, side="right") - 1]  # -1: before the first


def _x(trial: Trial, by: str) -> np.ndarray:
    return trial.steps if by == "steps" else trial.seconds


def _end(trial: Trial, by: str) -> float:
    """The last finite x of a trial's log, 0 where there is none."""
    x = _x(trial, by)
    return float(x[np.isfinite(x)].max(initial=0.0))


def _curve(
    submission: str,
    workload: str,
    target: Target,
    by: str,
    x_G: np.ndarray,
    studies: Sequence[Sequence[Trial]],
) -> Curve:
    """Median and band over studies."""
    value_SG = np.sort(
        [np.max([best_so_far(t, target, by, x_G) for t in s], axis=0) for s in studies], axis=0
    )
    ends_S = np.array([max(_end(trial, by) for trial in study) for study in studies])
    # Halved first: the sum of two large losses could overflow.
    middle_G = value_SG[(len(studies) - 1) // 2] / 2 + value_SG[len(studies) // 2] / 2
    sign = -1.0 if target.lower_is_better else 1.0

    def plain(values_G: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(values_G), sign * values_G, np.nan)

    return Curve(
        submission=submission,
        workload=workload,
        unit=UNITS[by],
        x_G=x_G,
        median_G=plain(middle_G),
        worst_G=plain(value_SG[0]),
        best_G=plain(value_SG[-1]),
        running_G=(ends_S[:, None] >= x_G).sum(axis=0),
        num_studies=len(studies),
    )
