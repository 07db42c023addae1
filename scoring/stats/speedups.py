"""Speedups over a reference submission: geometric means over base workloads.

The right way up: t_reference / t_submission, so 2 is twice as fast. (AlgoPerf's compute_speedups
divides the other way round, and puts an old budget in the place of "never".)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scoring.stats.draws import limits
from scoring.stats.times_matrix import TimesMatrix

# Why a workload is not in the mean: it was reached by nobody or by one of the two alone (not to
# have been run on it is not to have reached it), or by one of them in no time at all.
LEFT_OUT = {
    "neither": "by neither",
    "only_reference": "by the reference only",
    "only_submission": "by the submission only",
    "zero_time": "by one in no time",
}
_LARGEST_LOG = 700.0  # its exponential is still a float


@dataclass(frozen=True)
class Speedup:
    """One submission against the reference."""

    mean: float | None  # geometric, over `by_workload`; None when no workload compares
    low: float | None  # limits of the 95% interval; None when it cannot be told
    high: float | None
    by_workload: Mapping[str, float]  # base workloads that both reached
    left_out: Mapping[str, str]  # the other base workloads -> a key of LEFT_OUT

    def to_json(self) -> dict:
        """Plain JSON values."""
        return {
            "mean": self.mean,
            "low": self.low,
            "high": self.high,
            "by_workload": dict(self.by_workload),
            "left_out": dict(self.left_out),
        }


@dataclass(frozen=True)
class Speedups:
    """Every submission against one reference, the reference itself (1) among them."""

    reference: str
    submissions: Mapping[str, Speedup]

    def to_json(self) -> dict:
        """Plain JSON values."""
        rows = {name: row.to_json() for name, row in self.submissions.items()}
        return {"reference": self.reference, "submissions": rows}


def against(matrix: TimesMatrix, reference: str) -> Speedups:
    """Speedups of all submissions over `reference`, by times before any gate.

    A workload that either never reached is left out of the mean; so it is in each draw.
    """
    r = matrix.submissions.index(reference)
    log_SB = _log_speedups(matrix.times_SW, matrix, r)
    mean_NS = None
    if matrix.draws is not None:
        mean_NS = np.exp(matrix.draws.of(lambda t_SW: _means(_log_speedups(t_SW, matrix, r))))
    rows = {}
    for s, name in enumerate(matrix.submissions):
        kept = np.flatnonzero(~np.isnan(log_SB[s]))
        mean = low = high = None
        if len(kept):
            mean = float(np.exp(log_SB[s, kept].mean()))
            if mean_NS is not None and matrix.can_tell(s, r):
                low, high = limits(mean_NS[:, s], mean)
        rows[name] = Speedup(
            mean=mean,
            low=low,
            high=high,
            by_workload={matrix.base[b]: float(np.exp(log_SB[s, b])) for b in kept},
            left_out=_left_out(matrix, s, r, set(kept.tolist())),
        )
    return Speedups(reference, rows)


def _log_speedups(times_SW: np.ndarray, matrix: TimesMatrix, reference: int) -> np.ndarray:
    """Logarithm of t_reference / t for base workloads, NaN where they do not compare."""
    times_SB = times_SW[..., matrix.base_columns]
    reference_1B = times_SB[..., [reference], :]
    with np.errstate(invalid="ignore", divide="ignore"):
        log_SB = np.log(reference_1B) - np.log(times_SB)
    both_zero = (times_SB == 0) & (reference_1B == 0)
    log_SB = np.where(both_zero, 0.0, np.where(np.isfinite(log_SB), log_SB, np.nan))
    return np.clip(log_SB, -_LARGEST_LOG, _LARGEST_LOG)


def _means(log_SB: np.ndarray) -> np.ndarray:
    """Means over the workloads that compare, (..., S); NaN where none does."""
    known_SB = ~np.isnan(log_SB)
    with np.errstate(invalid="ignore"):
        return np.where(known_SB, log_SB, 0.0).sum(axis=-1) / known_SB.sum(axis=-1)


def _left_out(
    matrix: TimesMatrix, submission: int, reference: int, kept: set[int]
) -> dict[str, str]:
    """The reason, a key of LEFT_OUT, for each base workload outside `kept`."""
    reached_SB = np.isfinite(matrix.times_SW[:, matrix.base_columns])
    reasons = {
        (False, False): "neither",
        (False, True): "only_reference",
        (True, False): "only_submission",
        (True, True): "zero_time",
    }
    return {
        name: reasons[bool(reached_SB[submission, b]), bool(reached_SB[reference, b])]
        for b, name in enumerate(matrix.base)
        if b not in kept
    }
