"""The score against a reference alone, whoever else is on the board: the "field-free" score.

The same gates, profile and area as the score, but with the reference's time in the place of the
fastest. Being faster than the reference counts as being as fast, so that a score stays in [0, 1]:
the speedups beside it show what lies beyond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scoring.stats import profile
from scoring.stats.draws import limits
from scoring.stats.times_matrix import TimesMatrix


@dataclass(frozen=True)
class ReferenceScore:
    """One submission's score against the reference."""

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
    """Scores of every submission against one reference, its own among them."""

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


def score(matrix: TimesMatrix, reference: str) -> ReferenceScores | None:
    """Scores against `reference`; None if it was run on no base workload that others were."""
    # Gated by the reference's times: who else is on the board then plays no part.
    r = matrix.submissions.index(reference)
    unlogged_B = np.isnan(matrix.times_SW[:, matrix.base_columns])
    # Workloads that nobody was run on count as not reached, as in the score.
    kept_B = ~unlogged_B[r] | unlogged_B.all(axis=0)
    if unlogged_B[r].all():
        return None

    def scores(times_SW: np.ndarray) -> np.ndarray:
        return profile.scores(_ratios(times_SW, matrix, r)[..., kept_B], matrix.mode)

    ratio_SB = _ratios(matrix.times_SW, matrix, r)[:, kept_B]
    score_S = profile.scores(ratio_SB, matrix.mode)
    score_NS = None if matrix.draws is None else np.clip(matrix.draws.of(scores), 0.0, 1.0)
    names = [name for name, kept in zip(matrix.base, kept_B, strict=True) if kept]
    rows = {}
    for s, submission in enumerate(matrix.submissions):
        low = high = None
        if score_NS is not None and matrix.can_tell(s, r):
            low, high = limits(score_NS[:, s], score_S[s])
        ratios = dict(zip(names, ratio_SB[s].tolist(), strict=True))
        rows[submission] = ReferenceScore(float(score_S[s]), low, high, ratios)
    left_out = tuple(name for name in matrix.base if name not in names)
    return ReferenceScores(reference, rows, left_out)


def _ratios(times_SW: np.ndarray, matrix: TimesMatrix, reference: int) -> np.ndarray:
    """Time over the reference's, (..., S, B): inf for no credit, 0 where only it fell short."""
    yardstick_W = times_SW[..., reference, :]
    gated_SB, _ = profile.gate(times_SW, matrix.workloads, matrix.benchmark, yardstick_W)
    yardstick_1B = yardstick_W[..., None, matrix.base_columns]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio_SB = gated_SB / yardstick_1B
    # Equal times, also two of 0 seconds.
    ratio_SB = np.where(gated_SB == yardstick_1B, 1.0, ratio_SB)
    return np.where(np.isfinite(gated_SB), ratio_SB, np.inf)
