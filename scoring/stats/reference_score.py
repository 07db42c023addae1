"""A score that does not depend on who else is on the board: against the reference alone.

The same gates, profile and area as the score, but with the reference's time in the place of the
fastest. Being faster than the reference counts as being as fast, so that a score stays in [0, 1]:
the speedups beside it show what lies beyond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scoring.stats import profile
from scoring.stats.bootstrap import limits
from scoring.stats.times_matrix import TimesMatrix


@dataclass(frozen=True)
class ReferenceScore:
    """One submission's field-free score."""

    score: float
    low: float | None  # limits of the 95% interval; None when one study cannot tell
    high: float | None
    # Base workloads: time over the reference's, uncapped. inf: no credit; 0: reached, and the
    # reference never did.
    ratio_to_reference: Mapping[str, float]

    def to_json(self) -> dict:
        """Plain JSON values; null for a ratio without credit."""
        ratios = self.ratio_to_reference.items()
        return {
            "score": self.score,
            "low": self.low,
            "high": self.high,
            "ratio_to_reference": {w: r if np.isfinite(r) else None for w, r in ratios},
        }


@dataclass(frozen=True)
class ReferenceScores:
    """Field-free scores of every submission, the reference's own among them."""

    reference: str
    submissions: Mapping[str, ReferenceScore]
    # Base workloads that others were run on and the reference was not: no yardstick, no score.
    left_out: tuple[str, ...]

    def to_json(self) -> dict:
        """Plain JSON values."""
        return {
            "reference": self.reference,
            "submissions": {name: row.to_json() for name, row in self.submissions.items()},
            "left_out": list(self.left_out),
        }


def score(field: TimesMatrix, reference: str) -> ReferenceScores | None:
    """Field-free scores; None if the reference was run on no base workload that others were."""
    r = field.submissions.index(reference)
    unlogged_B = np.isnan(field.times_SW[:, field.base_columns])
    # Workloads that nobody was run on count as not reached, as in the score.
    kept_B = ~unlogged_B[r] | unlogged_B.all(axis=0)
    if unlogged_B[r].all():
        return None
    ratio_SB = _ratios(field.times_SW, field, r)[:, kept_B]
    score_S = profile.scores(ratio_SB, field.mode)
    score_NS = None
    if field.resamples_NSW is not None:
        score_NS = profile.scores(_ratios(field.resamples_NSW, field, r)[..., kept_B], field.mode)
    names = [name for name, kept in zip(field.base, kept_B, strict=True) if kept]
    rows = {}
    for s, submission in enumerate(field.submissions):
        low = high = None
        if score_NS is not None and field.can_tell(s, r):
            low, high = limits(score_NS[:, s], score_S[s])
        ratios = dict(zip(names, ratio_SB[s].tolist(), strict=True))
        rows[submission] = ReferenceScore(float(score_S[s]), low, high, ratios)
    left_out = tuple(name for name in field.base if name not in names)
    return ReferenceScores(reference, rows, left_out)


def _ratios(times_SW: np.ndarray, field: TimesMatrix, reference: int) -> np.ndarray:
    """Time over the reference's, (..., S, B): inf for no credit, 0 where only it fell short."""
    yardstick_W = times_SW[..., reference, :]
    gated_SB, _ = profile.gate(times_SW, field.workloads, field.benchmark, yardstick_W)
    yardstick_1B = yardstick_W[..., None, field.base_columns]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio_SB = gated_SB / yardstick_1B
    ratio_SB = np.where(gated_SB == yardstick_1B, 1.0, ratio_SB)
    return np.where(np.isfinite(gated_SB), ratio_SB, np.inf)
