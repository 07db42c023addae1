"""Comparisons in pairs: which of two submissions is better, how surely, and what would tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from scoring.stats.draws import COVERAGE
from scoring.stats.ranks import TIE, Ranks
from scoring.stats.speedups import Speedup, over
from scoring.stats.times_matrix import TimesMatrix

# In standard errors: a difference of so many is told at 95% four times in five (normal quantiles
# 0.975 and 0.8; the usual computation of power).
_TELLING = 1.96 + 0.84
_INTERVAL = 2 * 1.96  # widths of an interval are so many standard errors


@dataclass(frozen=True)
class Comparison:
    """A submission and one with no better score.

    Attributes:
      difference: of their scores, 0 or more.
      low, high: limits of its 95% interval; None when one study cannot tell.
      speedup: of the first over the second, on workloads that both reached.
      num_ahead: base workloads that the first reached sooner, or alone.
      num_reached: base workloads that one of them reached.
      num_studies: the least of both.
      more_studies: that would tell with a chance of 80% if the difference is what it looks like;
        None where it is told, or nothing can be.
    """

    first: str
    second: str
    difference: float
    low: float | None
    high: float | None
    speedup: Speedup
    num_ahead: int
    num_reached: int
    num_studies: int
    more_studies: int | None

    @property
    def is_decided(self) -> bool:
        """Whether the interval of the difference excludes 0."""
        return self.low is not None and (self.low > TIE or self.high < -TIE)

    def to_json(self) -> dict:
        """Plain JSON values."""
        own = {name: getattr(self, name) for name in vars(self) if name != "speedup"}
        speedup = self.speedup.to_json()
        return {
            **own,
            "is_decided": self.is_decided,
            "speedup": {name: speedup[name] for name in ("mean", "low", "high")},
        }


def in_pairs(matrix: TimesMatrix, ranks: Ranks, score_S: Sequence[float]) -> tuple[Comparison, ...]:
    """All pairs, by the place of the first, then of the second.

    Args:
      ranks: of the board, best first.
      score_S: in that order.
    """
    return tuple(
        _compare(matrix, ranks, score_S, (i, j), (ranks.low_SS[i, j], ranks.high_SS[i, j]))
        for i, j in combinations(range(len(score_S)), 2)
    )


def against(
    matrix: TimesMatrix,
    ranks: Ranks,
    score_S: Sequence[float],
    score_NS: np.ndarray | None,
    name: str,
) -> tuple[Comparison, ...]:
    """Everybody with one, in intervals that hold all together with 95%: several comparisons would
    else find a difference by chance that one alone would not (single-step maxT: Westfall and Young,
    "Resampling-Based Multiple Testing", 1993).

    Args:
      score_NS: draws of the scores, in the order of the board.
    """
    one = ranks.submissions.index(name)
    others = [s for s in range(len(score_S)) if s != one]
    row_of = {submission: row for row, submission in enumerate(matrix.submissions)}
    known = [
        s
        for s in others
        if score_NS is not None
        and matrix.can_tell(*(row_of[ranks.submissions[i]] for i in (s, one)))
    ]
    limits = dict.fromkeys(others, (np.nan, np.nan))
    if known:
        gap_NK = score_NS[:, known] - score_NS[:, [one]]
        error_K = gap_NK.std(axis=0)
        far_NK = np.abs(gap_NK - gap_NK.mean(axis=0)) / np.where(error_K > 0, error_K, 1.0)
        reach_K = float(np.quantile(far_NK.max(axis=1), COVERAGE)) * error_K
        for s, reach in zip(known, reach_K.tolist(), strict=True):
            gap = score_S[s] - score_S[one]
            limits[s] = (gap - reach, gap + reach)
    found = []
    for s in others:
        low, high = limits[s]
        # The better one first, as everywhere; who stands below has the interval turned round.
        pair, ends = ((s, one), (low, high)) if s < one else ((one, s), (-high, -low))
        found.append(_compare(matrix, ranks, score_S, pair, ends))
    return tuple(found)


def _compare(
    matrix: TimesMatrix,
    ranks: Ranks,
    score_S: Sequence[float],
    pair: tuple[int, int],
    limits: tuple[float, float],
) -> Comparison:
    names = [ranks.submissions[i] for i in pair]
    rows = [matrix.submissions.index(name) for name in names]
    first_B, second_B = (matrix.times_SW[row, matrix.base_columns] for row in rows)
    is_reached_B = np.isfinite(first_B) | np.isfinite(second_B)
    # Not to have been run on a workload is not to have reached it.
    ahead_B = np.isfinite(first_B) & ~(second_B <= first_B)
    difference = float(score_S[pair[0]] - score_S[pair[1]])
    low, high = (None if math.isnan(limit) else float(limit) for limit in limits)
    num_studies = int(min(matrix.num_studies_S[row] for row in rows))
    return Comparison(
        *names,
        difference,
        low,
        high,
        speedup=over(matrix, *rows),
        num_ahead=int(ahead_B.sum()),
        num_reached=int(is_reached_B.sum()),
        num_studies=num_studies,
        more_studies=_more_studies(difference, low, high, num_studies),
    )


def _more_studies(
    difference: float, low: float | None, high: float | None, num_studies: int
) -> int | None:
    """Studies beyond those there are; standard errors shrink with the root of their number."""
    if low is None or low > TIE or high < -TIE or difference <= TIE:
        return None
    needed = num_studies * (_TELLING * (high - low) / _INTERVAL / difference) ** 2
    return max(1, math.ceil(needed) - num_studies)
