"""Pairs and places in the draws: which submission stands above which, how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from scoring.stats.draws import COVERAGE

TIE = 1e-9  # scores that differ by less are equal: sums in another order differ in the last bits


@dataclass(frozen=True, eq=False)
class Ranks:
    """Pairwise comparisons of S submissions, in the order of the leaderboard.

    A submission with one study cannot tell: its row and its column are NaN, as is the diagonal.
    """

    submissions: tuple[str, ...]
    above_SS: np.ndarray  # share of draws in which the row's score is above the column's
    low_SS: np.ndarray  # limits of the 95% interval of the row's score less the column's
    high_SS: np.ndarray
    intervals: Mapping[str, tuple[int, int] | None]  # best and worst place; None: cannot tell

    @property
    def indistinguishable(self) -> tuple[tuple[str, str], ...] | None:
        """Pairs whose interval of the score difference holds 0; None if no pair can be told."""
        pairs = list(combinations(range(len(self.submissions)), 2))
        known = [(a, b) for a, b in pairs if not np.isnan(self.above_SS[a, b])]
        if pairs and not known:
            return None
        return tuple(
            (self.submissions[a], self.submissions[b])
            for a, b in known
            if self.low_SS[a, b] <= TIE and self.high_SS[a, b] >= -TIE
        )

    def to_json(self) -> dict:
        """Three keys of the leaderboard's JSON; null where one study cannot tell."""
        pairs = self.indistinguishable
        return {
            "rank_probability": {
                a: {
                    b: None if np.isnan(self.above_SS[i, j]) else float(self.above_SS[i, j])
                    for j, b in enumerate(self.submissions)
                    if i != j
                }
                for i, a in enumerate(self.submissions)
            },
            "rank_interval": {
                name: None if interval is None else list(interval)
                for name, interval in self.intervals.items()
            },
            "indistinguishable": None if pairs is None else [list(pair) for pair in pairs],
        }


def compare(
    submissions: Sequence[str],
    score_S: np.ndarray,
    score_NS: np.ndarray | None,
    can_tell_S: np.ndarray,
) -> Ranks:
    """The ranks of submissions, given as they stand on the board.

    Args:
      score_S: their scores.
      score_NS: N draws of the scores; None when there are none.
      can_tell_S: which have the two studies that an interval needs.
    """
    size = len(submissions)
    above_SS, low_SS, high_SS = (np.full((size, size), np.nan) for _ in range(3))
    places: list[tuple[int, int] | None] = [None] * size
    tail = (1.0 - COVERAGE) / 2
    # Row by row: all pairs of all draws at once would be S times the memory.
    for i in np.flatnonzero(can_tell_S) if score_NS is not None else ():
        others = [j for j in np.flatnonzero(can_tell_S) if j != i]
        difference_NS = score_NS[:, [i]] - score_NS[:, others]
        above_SS[i, others] = (difference_NS > TIE).mean(axis=0)
        point_S = score_S[i] - score_S[others]
        if others:
            low_S, high_S = np.quantile(difference_NS, (tail, 1.0 - tail), axis=0)
            # As for scores: an interval that excludes its own number would mislead.
            low_SS[i, others] = np.minimum(low_S, point_S)
            high_SS[i, others] = np.maximum(high_S, point_S)
        # Ties share a place. Who cannot tell may stand on either side.
        place_N = 1 + (difference_NS < -TIE).sum(axis=1)
        best, worst = np.quantile(place_N, (tail, 1.0 - tail), method="inverted_cdf")
        point = 1 + (point_S < -TIE).sum()
        unknown = size - 1 - len(others)
        places[i] = (int(min(best, point)), int(max(worst, point)) + unknown)
    return Ranks(
        submissions=tuple(submissions),
        above_SS=above_SS,
        low_SS=low_SS,
        high_SS=high_SS,
        intervals=dict(zip(submissions, places, strict=True)),
    )
