"""Measures: how good submissions are by one yardstick, on each workload and over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from scoring.benchmark import Benchmark, Target
from scoring.logs.read import Trial
from scoring.stats import budgets, draws, profile
from scoring.stats.correlation import beaten
from scoring.stats.times import Cell, median_over_studies

Cells = Mapping[tuple[str, str], Cell]  # costs of studies, by submission and workload


@dataclass(frozen=True, eq=False)
class Measure:
    """S submissions on B workloads by one yardstick; more is better.

    A score is the mean of the credits over workloads. Places are shares of the other submissions
    that are beaten on a workload: they also order those that are too late to earn a credit.
    """

    by: str  # the yardstick, as in "time" or "metric at 50%"
    submissions: tuple[str, ...]
    workloads: tuple[str, ...]  # none: a score over workloads that nobody tells
    credit_SB: np.ndarray  # with one column where the workloads are not told
    credit_NSB: np.ndarray | None  # draws; None: no submission has two studies
    place_SB: np.ndarray  # NaN: not run
    place_NSB: np.ndarray | None
    can_tell_S: np.ndarray  # which have the two studies that an interval needs
    is_certain: bool = False  # published without studies: whatever differs counts as told apart

    @property
    def score_S(self) -> np.ndarray:
        """Scores."""
        return self.credit_SB.mean(axis=-1)

    @property
    def score_NS(self) -> np.ndarray | None:
        """Scores in each draw."""
        return None if self.credit_NSB is None else self.credit_NSB.mean(axis=-1)

    def without(self, workload: str) -> Measure:
        """The same measure with one workload left out of the score."""
        kept = [i for i, name in enumerate(self.workloads) if name != workload]

        def chosen(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[..., kept]

        return replace(
            self,
            workloads=tuple(self.workloads[i] for i in kept),
            credit_SB=chosen(self.credit_SB),
            credit_NSB=chosen(self.credit_NSB),
            place_SB=chosen(self.place_SB),
            place_NSB=chosen(self.place_NSB),
        )

    def shuffled(self, seed: int) -> Measure:
        """The same measure, its draws in another order."""
        if self.credit_NSB is None:
            return self
        order_N = np.random.default_rng(seed).permutation(len(self.credit_NSB))
        return replace(self, credit_NSB=self.credit_NSB[order_N], place_NSB=self.place_NSB[order_N])


def published(submissions: Sequence[str], scores: Mapping[str, float]) -> Measure:
    """The measure of scores that are known and no more."""
    score_S1 = np.array([[scores[name]] for name in submissions])
    can_tell_S = np.zeros(len(submissions), bool)
    names = tuple(submissions)
    return Measure(
        "published score", names, (), score_S1, None, score_S1, None, can_tell_S, is_certain=True
    )


def by_cost(
    by: str, cells: Cells, submissions: Sequence[str], columns: Sequence[str], benchmark: Benchmark
) -> Measure:
    """The measure of times or steps to target, credited as a leaderboard does.

    Args:
      cells: of the base workloads and of the variants that gate them.
      columns: both, the base workloads first.
    """
    cost_SW, drawn = _medians(cells, submissions, columns), draws.draw(cells, submissions, columns)
    gated_SB, base = profile.gate(cost_SW, tuple(columns), benchmark)
    numbers = [list(columns).index(name) for name in base]

    def credits(cost_SW: np.ndarray) -> np.ndarray:
        return _credits(profile.gate(cost_SW, tuple(columns), benchmark)[0])

    return Measure(
        by=by,
        submissions=tuple(submissions),
        workloads=base,
        credit_SB=_credits(gated_SB),
        credit_NSB=None if drawn is None else drawn.of(credits),
        # Before the gates: who came late is still ahead of who came later.
        place_SB=_places(cost_SW[:, numbers]),
        place_NSB=None if drawn is None else _places(drawn.drawn_NSW[..., numbers]),
        can_tell_S=_can_tell(cells, submissions, base),
    )


def by_metric(
    trials: Iterable[Trial],
    submissions: Sequence[str],
    targets: Mapping[str, Target],
    share: float,
    by: str,
) -> Measure:
    """The measure of the validation metric at a share of the step budget.

    A study's value is that of its best trial there. Metrics of different workloads have different
    scales, so the credit is the place. Where a trial stopped at its target, values count up to the
    target for all: nobody knows how far it would have come.
    """
    cells: dict[tuple[str, str], dict[int, float]] = {}

    def study(trial: Trial) -> tuple[str, str, int]:
        return trial.workload, trial.submission, trial.study

    known = sorted((t for t in trials if t.workload in targets), key=study)
    for workload, group in groupby(known, lambda trial: trial.workload):
        target = targets[workload]
        step_1 = np.array([round(share * target.step_hint)])
        found = [(t, *budgets.trial_values(t, target, step_1)) for t in group]
        cap = np.inf
        if any(stopped_1[0] for _, _, stopped_1 in found):
            cap = -target.value if target.lower_is_better else target.value
        for (_, name, number), rows in groupby(found, lambda row: study(row[0])):
            values = [min(float(value_1[0]), cap) for _, value_1, _ in rows]
            cells.setdefault((name, workload), {})[number] = -max(values)
    names = tuple(targets)
    place_SB = _places(_medians(cells, submissions, names))
    drawn = draws.draw(cells, submissions, names, is_logarithmic=False)
    place_NSB = None if drawn is None else _places(drawn.drawn_NSW)
    return Measure(
        by=by,
        submissions=tuple(submissions),
        workloads=names,
        credit_SB=np.where(np.isnan(place_SB), 0.0, place_SB),
        credit_NSB=place_NSB,
        place_SB=place_SB,
        place_NSB=place_NSB,
        can_tell_S=_can_tell(cells, submissions, names),
    )


def _medians(cells: Cells, submissions: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    """Median costs over studies, (S, W), NaN for no data."""
    return np.array(
        [[median_over_studies(cells.get((s, w), {})) for w in columns] for s in submissions]
    )


def _credits(gated_SB: np.ndarray) -> np.ndarray:
    """What each workload adds to the score, in [0, 1]: the score is their mean."""
    return profile.scores(profile.ratios(gated_SB)[..., None], "exact")


def _places(cost_SB: np.ndarray) -> np.ndarray:
    """Share of the others that each beats on each workload; NaN where it was not run."""
    rank_BS = beaten(-np.swapaxes(np.where(np.isnan(cost_SB), np.inf, cost_SB), -1, -2))
    return np.where(np.isnan(cost_SB), np.nan, np.swapaxes(rank_BS, -1, -2))


def _can_tell(cells: Cells, submissions: Sequence[str], workloads: Sequence[str]) -> np.ndarray:
    """Boolean per submission: two studies on each base workload that it was run on."""
    counts_SB = np.array([[len(cells.get((s, w), {})) for w in workloads] for s in submissions])
    return (counts_SB > 1).any(axis=1) & (counts_SB != 1).all(axis=1)
