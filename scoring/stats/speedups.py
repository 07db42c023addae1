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
    """Speedups of all submissions over `reference`, by times before any gate."""
    r = matrix.submissions.index(reference)
    rows = {name: over(matrix, s, r) for s, name in enumerate(matrix.submissions)}
    return Speedups(reference, rows)


def over(matrix: TimesMatrix, submission: int, reference: int) -> Speedup:
    """The speedup of one row of the matrix over another.

    A workload that either never reached is left out of the mean; so it is in each draw.
    """
    rows = [submission, reference]

    def log(times_SW: np.ndarray) -> np.ndarray:
        return _log_speedups(times_SW[..., rows, :][..., matrix.base_columns])

    log_B = log(matrix.times_SW)
    kept = np.flatnonzero(~np.isnan(log_B))
    mean = low = high = None
    if len(kept):
        mean = float(np.exp(log_B[kept].mean()))
        if matrix.draws is not None and matrix.can_tell(*rows):
            mean_N = matrix.draws.of(lambda times_SW: _mean(log(times_SW)))
            low, high = limits(np.exp(mean_N), mean)
    return Speedup(
        mean=mean,
        low=low,
        high=high,
        by_workload={matrix.base[b]: float(np.exp(log_B[b])) for b in kept},
        left_out=_left_out(matrix, submission, reference, set(kept.tolist())),
    )


def _log_speedups(times_2B: np.ndarray) -> np.ndarray:
    """Logarithm of the second time over the first, (..., B), NaN where they do not compare."""
    first_B, second_B = times_2B[..., 0, :], times_2B[..., 1, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        log_B = np.log(second_B) - np.log(first_B)
    both_zero = (first_B == 0) & (second_B == 0)
    log_B = np.where(both_zero, 0.0, np.where(np.isfinite(log_B), log_B, np.nan))
    return np.clip(log_B, -_LARGEST_LOG, _LARGEST_LOG)


def _mean(log_B: np.ndarray) -> np.ndarray:
    """Mean over the workloads that compare, (...); NaN where none does."""
    known_B = ~np.isnan(log_B)
    with np.errstate(invalid="ignore"):
        return np.where(known_B, log_B, 0.0).sum(axis=-1) / known_B.sum(axis=-1)


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
