"""Agreement of two measures of the same submissions: correlations of ranks, and pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from scoring.stats import draws, ranks
from scoring.stats.correlation import kendall, spearman
from scoring.stats.draws import Limits
from scoring.stats.measures import Measure
from scoring.stats.ranks import TIE

_SEED = 0


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% intervals.

    Attributes:
      value: NaN where one side has no two submissions that differ.
      studies: limits over what studies leave open, of both sides where both have them.
      workloads: limits over resampled workloads, the same ones on both sides; (None, None) where
        it cannot be told, as for studies.
    """

    value: float
    studies: Limits
    workloads: Limits = (None, None)

    def to_json(self) -> dict:
        """Plain JSON values."""
        return {
            "value": None if np.isnan(self.value) else self.value,
            "over_studies": list(self.studies),
            "over_workloads": list(self.workloads),
        }


@dataclass(frozen=True)
class Pairs:
    """Pairs of submissions that a side can tell apart: the interval of their difference over
    studies excludes 0. Of a table without studies, all whose numbers differ."""

    total: int
    by_a: int
    by_b: int
    both: int
    agreeing: int  # of `both`, in the same order
    as_b: int  # of `by_b`, in B's order also by A's bare numbers
    disagreeing: tuple[tuple[str, str], ...]  # of `both`: A has the first above, B the second

    @property
    def share(self) -> float:
        """Agreeing pairs of those that both sides can tell apart; NaN where there are none."""
        return self.agreeing / self.both if self.both else float("nan")


@dataclass(frozen=True)
class Agreement:
    """How well the order of submissions by one measure is that by another."""

    a_by: str
    b_by: str
    num_submissions: int
    tau: Estimate  # Kendall's tau-b
    rho: Estimate  # Spearman's
    pairs: Pairs

    def to_json(self) -> dict:
        """Plain JSON values."""
        own = {name: getattr(self.pairs, name) for name in vars(self.pairs)}
        own["disagreeing"] = [list(pair) for pair in self.pairs.disagreeing]
        return {
            "a_by": self.a_by,
            "b_by": self.b_by,
            "num_submissions": self.num_submissions,
            "tau": self.tau.to_json(),
            "rho": self.rho.to_json(),
            "pairs": own,
        }


@dataclass(frozen=True, eq=False)
class _Scores:
    """S numbers of one side, and what is known of how sure they are."""

    score_S: np.ndarray
    score_NS: np.ndarray | None
    can_tell_S: np.ndarray
    is_certain: bool

    def order(self) -> np.ndarray:
        """1 where the row is surely above the column, -1 where below, 0 where nobody can tell."""
        gap_SS = self.score_S[:, None] - self.score_S[None, :]
        if self.is_certain:
            return (gap_SS > TIE).astype(int) - (gap_SS < -TIE)
        names = [str(i) for i in range(len(self.score_S))]
        found = ranks.compare(names, self.score_S, self.score_NS, self.can_tell_S)
        # NaN, of who cannot tell, is neither.
        return (found.low_SS > TIE).astype(int) - (found.high_SS < -TIE)

    def kept(self, rows: np.ndarray) -> _Scores:
        """The same of some submissions."""
        score_NS = None if self.score_NS is None else self.score_NS[:, rows]
        return _Scores(self.score_S[rows], score_NS, self.can_tell_S[rows], self.is_certain)


def of_scores(a: Measure, b: Measure) -> Agreement:
    """The agreement of two scores over workloads; rows of both are the same submissions."""
    a_WS, b_WS = _over_workloads(a, b)
    sides = _scores(a), _scores(b)
    return _agreement(a.by, b.by, *sides, a.submissions, a_WS, b_WS)


def of_workload(a: Measure, b: Measure, workload: str) -> Agreement | None:
    """The agreement of places on one workload; None with fewer than two submissions on both."""
    a_one, b_one = _on(a, workload), _on(b, workload)
    run = np.flatnonzero(~np.isnan(a_one.score_S) & ~np.isnan(b_one.score_S))
    if len(run) < 2:
        return None
    names = [a.submissions[i] for i in run]
    return _agreement(a.by, b.by, a_one.kept(run), b_one.kept(run), names)


def loss_without(a: Measure, b: Measure, workload: str) -> Estimate:
    """Kendall's tau less what it is where A leaves the workload out: what A's workload adds."""
    less, whole = _scores(a.without(workload)), _scores(a)
    other = _scores(b)
    value = kendall(whole.score_S, other.score_S) - kendall(less.score_S, other.score_S)
    if whole.score_NS is None and other.score_NS is None:
        return Estimate(float(value), (None, None))
    # The same draws in both terms: what only shakes both of them cancels.
    b_NS = _drawn(other)
    value_N = kendall(_drawn(whole), b_NS) - kendall(_drawn(less), b_NS)
    return Estimate(float(value), draws.limits(value_N, float(value)))


def _scores(measure: Measure) -> _Scores:
    return _Scores(measure.score_S, measure.score_NS, measure.can_tell_S, measure.is_certain)


def _on(measure: Measure, workload: str) -> _Scores:
    """Places on one workload."""
    i = measure.workloads.index(workload)
    place_NS = None if measure.place_NSB is None else measure.place_NSB[..., i]
    return _Scores(measure.place_SB[:, i], place_NS, measure.can_tell_S, measure.is_certain)


def _drawn(scores: _Scores) -> np.ndarray:
    """Draws, or the numbers themselves where nothing is known of their spread."""
    return scores.score_S if scores.score_NS is None else scores.score_NS


def _over_workloads(a: Measure, b: Measure) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Scores of both sides over resampled workloads, (N, S); None where a side stays as it is."""
    most = max(len(a.workloads), len(b.workloads))
    if most < 2:
        return None, None
    num = draws.NUM_DRAWS
    drawn_NB = np.random.default_rng(_SEED).integers(most, size=(num, most))

    def drawn(measure: Measure) -> np.ndarray | None:
        # A published score is over workloads that cannot be drawn anew.
        if not measure.workloads:
            return None
        return measure.credit_SB[:, drawn_NB].mean(axis=-1).T

    return drawn(a), drawn(b)


def _agreement(
    a_by: str,
    b_by: str,
    a: _Scores,
    b: _Scores,
    names: Sequence[str],
    a_WS: np.ndarray | None = None,
    b_WS: np.ndarray | None = None,
) -> Agreement:
    """The agreement of two sets of numbers; a_WS, b_WS: over resampled workloads."""

    def estimate(correlation: object) -> Estimate:
        value = float(correlation(a.score_S, b.score_S))
        studies, workloads = (None, None), (None, None)
        if a.score_NS is not None or b.score_NS is not None:
            value_N = correlation(_drawn(a), _drawn(b))
            studies = draws.limits(value_N, value)
        if a_WS is not None or b_WS is not None:
            sides = (a.score_S if a_WS is None else a_WS, b.score_S if b_WS is None else b_WS)
            workloads = draws.limits(correlation(*sides), value)
        return Estimate(value, studies, workloads)

    return Agreement(
        a_by, b_by, len(names), estimate(kendall), estimate(spearman), _pairs(a, b, names)
    )


def _pairs(a: _Scores, b: _Scores, names: Sequence[str]) -> Pairs:
    a_SS, b_SS = a.order(), b.order()
    upper = np.triu(np.ones(a_SS.shape, bool), k=1)
    told_by_a, told_by_b = upper & (a_SS != 0), upper & (b_SS != 0)
    both = told_by_a & told_by_b
    gap_SS = a.score_S[:, None] - a.score_S[None, :]
    as_b = told_by_b & (gap_SS * b_SS > TIE)
    return Pairs(
        total=int(upper.sum()),
        by_a=int(told_by_a.sum()),
        by_b=int(told_by_b.sum()),
        both=int(both.sum()),
        agreeing=int((both & (a_SS == b_SS)).sum()),
        as_b=int(as_b.sum()),
        disagreeing=tuple(_opposed(a_SS, b_SS, names)),
    )


def _opposed(a_SS: np.ndarray, b_SS: np.ndarray, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs that the sides order differently, the one that A has above first."""
    for i, j in combinations(range(len(names)), 2):
        if a_SS[i, j] * b_SS[i, j] < 0:
            yield (names[i], names[j]) if a_SS[i, j] > 0 else (names[j], names[i])
