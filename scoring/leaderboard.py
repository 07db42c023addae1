"""The leaderboard: every number that its views show, from a directory of logs or from trials."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from scoring import benchmark as benchmarks
from scoring.benchmark import Benchmark
from scoring.logs import read, trees
from scoring.logs.read import Anomaly, Trial
from scoring.protocol import UNITS, Protocol, check
from scoring.stats import (
    budgets,
    comparisons,
    importance,
    profile,
    ranks,
    reference_score,
    speedups,
    times_matrix,
)
from scoring.stats.anomalies import order_sensitive, uneven
from scoring.stats.budgets import AtBudget
from scoring.stats.comparisons import Comparison
from scoring.stats.importance import Importance
from scoring.stats.ranks import Ranks
from scoring.stats.reference_score import ReferenceScores
from scoring.stats.rows import Row, build, drawn_scores
from scoring.stats.speedups import Speedups


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Submissions scored together, best first; a score depends on the others on the board."""

    benchmark: Benchmark
    protocol: Protocol
    workloads: tuple[str, ...]  # base workloads that carry the score
    held_out: tuple[str, ...]  # variants that gate their base
    missing_workloads: tuple[str, ...]  # of the benchmark, in no log
    rows: tuple[Row, ...]  # by score, the best first
    tau: np.ndarray  # (T,)
    timing: tuple[str, ...]
    fingerprints: tuple[str, ...]
    anomalies: tuple[Anomaly, ...]
    reference: str | None  # None: neither asked for, nor is the benchmark's on the board
    speedups: Speedups | None  # None without a reference
    # None also if the reference was run on no scored workload.
    reference_scores: ReferenceScores | None
    ranks: Ranks
    pairs: tuple[Comparison, ...]  # all, by the place of the first, then of the second
    against: tuple[Comparison, ...]  # everybody with the one that the protocol names
    at_budget: tuple[AtBudget, ...]
    trials: tuple[Trial, ...] = field(repr=False)  # on scored workloads: for curves

    @property
    def unit(self) -> str:
        """Unit of time_to_target: "seconds" or "steps"."""
        return UNITS[self.protocol.by]

    @property
    def columns(self) -> tuple[str, ...]:
        """The workloads that take part: base workloads, then held-out ones."""
        return self.workloads + self.held_out

    @property
    def places(self) -> dict[str, int]:
        """Place on the board, from 0, by submission."""
        return {row.submission: place for place, row in enumerate(self.rows)}

    @cached_property  # few ask, and of fifty submissions it takes a second
    def importance(self) -> tuple[Importance, ...]:
        """What the trials say of the hyperparameters, by submission; empty under "self", where all
        have the same point."""
        if self.protocol.ruleset == "self":
            return ()
        targets = {name: self.benchmark.workloads[name] for name in self.columns}
        return importance.of_board(self.trials, targets, self.protocol.mode, self.protocol.by)

    def to_json(self, with_importance: bool = False) -> dict:
        """The leaderboard as plain JSON values; null for not reached and not known.

        "time_to_target" is before the gates and in "unit": steps when scored by steps.
        """
        rows = self.rows

        def numbers(name: str, workloads: Sequence[str] = self.columns) -> dict:
            return {
                row.submission: {w: _finite(getattr(row, name).get(w)) for w in workloads}
                for row in rows
            }

        # Keys are a format that scripts read: some are older than the names in the code.
        return {
            "benchmark": self.benchmark.name,
            "mode": self.protocol.mode,
            "by": self.protocol.by,
            "unit": self.unit,
            "scores": {
                r.submission: {"score": r.score, "low": r.low, "high": r.high} for r in rows
            },
            "time_to_target": numbers("time_to_target"),
            "time_to_target_gated": numbers("gated", self.workloads),
            "ratio_to_best": numbers("ratio_to_best", self.workloads),
            "steps_to_target": numbers("steps_to_target"),
            "best": numbers("best"),
            "statuses": {r.submission: {w: dict(c) for w, c in r.statuses.items()} for r in rows},
            "profile": {
                "tau": self.tau.tolist(),
                "rho": {row.submission: row.rho.tolist() for row in rows},
            },
            "num_studies": {row.submission: row.num_studies for row in rows},
            "missing_workloads": list(self.missing_workloads),
            "timing": list(self.timing),
            "fingerprints": list(self.fingerprints),
            "oddities": [asdict(anomaly) for anomaly in self.anomalies],
            **self._comparisons(),
            **({"importance": importance.to_json(self.importance)} if with_importance else {}),
        }

    def _comparisons(self) -> dict:
        """JSON of what stands beside the scores."""
        scores = self.reference_scores
        return {
            "speedup": None if self.speedups is None else self.speedups.to_json(),
            "field_free": None if scores is None else scores.to_json(),
            **self.ranks.to_json(),
            "pairs": [pair.to_json() for pair in self.pairs],
            "against": [pair.to_json() for pair in self.against],
            "at_budget": budgets.to_json([row.submission for row in self.rows], self.at_budget),
        }


def score(
    directory: trees.Given,
    benchmark: str | Path | Benchmark = "lite",
    protocol: Protocol | None = None,
    **changes: object,
) -> Leaderboard:
    """The leaderboard of every submission logged under a directory, or several.

    Args:
      directory: of logs, or a pack; or several of these, which count as one tree, see `merge`.
      benchmark: name, path of a JSON file, or a Benchmark.
      protocol: how to compare, by default `Protocol()`.
      changes: its fields that are to be others, as in `score("runs/experiment", by="steps")`.
    Raises ValueError for an unknown name, for a tree without a readable trial, and where the
    protocol forbids comparing the trials.
    """
    protocol = replace(protocol or Protocol(), **changes)
    if not isinstance(benchmark, Benchmark):
        benchmark = benchmarks.load(benchmark)
    metrics = {name: target.metric for name, target in benchmark.workloads.items()}
    # Logs have a column per split and metric; the benchmark tells which one is judged.
    with trees.opened(directory) as tree:
        trials, found = read.read(tree.root, metrics)
    return score_trials(trials, benchmark, protocol, found)


def score_trials(
    trials: Iterable[Trial],
    benchmark: Benchmark,
    protocol: Protocol | None = None,
    anomalies: Iterable[Anomaly] = (),
) -> Leaderboard:
    """The leaderboard of trials that are in memory; `anomalies` were found as they were read."""
    protocol = protocol or Protocol()
    # A benchmark need not know any ruleset (a bare targets file); one that does must know this.
    if benchmark.rulesets or protocol.strict:
        benchmark.ruleset(protocol.ruleset)
    # Sorted, so that a leaderboard does not depend on what the disk lists first.
    every = sorted(trials, key=lambda t: (t.submission, t.study, t.workload, t.trial))
    scored = [trial for trial in every if trial.workload in benchmark.scored_workloads]
    logged = {trial.workload for trial in scored}
    columns = tuple(
        name for name in benchmark.scored_workloads if name in logged or not protocol.only_present
    )
    if not scored or not set(columns) & set(benchmark.base_workloads):
        raise ValueError(
            f"no trial on a base workload of benchmark {benchmark.name!r}; expected one of "
            f"{', '.join(benchmark.base_workloads)}, so run one or choose another benchmark"
        )
    check(every, benchmark, protocol)
    return _assemble(every, columns, benchmark, protocol, anomalies)


def _assemble(
    trials: Sequence[Trial],
    columns: tuple[str, ...],
    benchmark: Benchmark,
    protocol: Protocol,
    anomalies: Iterable[Anomaly],
) -> Leaderboard:
    """All numbers of the trials; columns: the workloads that take part."""
    targets = {name: benchmark.workloads[name] for name in columns}
    scored = [trial for trial in trials if trial.workload in targets]
    matrix = times_matrix.of(trials, columns, benchmark, protocol)
    # The draws behind the intervals and those behind the ranks are the same ones, so that an
    # interval and a chance never contradict each other.
    score_NS = drawn_scores(matrix)
    rows = build(matrix, trials, score_NS)
    # Columns of the draws are sorted by name, rows of the board by score.
    order = [matrix.submissions.index(row.submission) for row in rows]
    score_NS = None if score_NS is None else score_NS[:, order]
    score_S = np.array([row.score for row in rows])
    can_tell_S = np.array([matrix.can_tell(index) for index in order])
    places = ranks.compare([row.submission for row in rows], score_S, score_NS, can_tell_S)
    reference = protocol.reference or benchmark.reference
    # `check` has refused an unknown one that was asked for: only the benchmark's may be missing.
    reference = reference if reference in matrix.submissions else None
    ties = order_sensitive(scored, targets, protocol.by)
    logged = {trial.workload for trial in scored}
    return Leaderboard(
        benchmark=benchmark,
        protocol=protocol,
        workloads=matrix.base,
        held_out=tuple(name for name in columns if name not in matrix.base),
        missing_workloads=tuple(n for n in benchmark.scored_workloads if n not in logged),
        rows=rows,
        tau=profile.tau_grid(),
        timing=_known(t.timing for t in scored),
        fingerprints=_known(t.fingerprint_key for t in scored),
        anomalies=(
            *anomalies,
            *_not_scored(trials, benchmark),
            *uneven(scored, benchmark),
            *(ties if protocol.mode == "official" else ()),
        ),
        reference=reference,
        speedups=speedups.against(matrix, reference) if reference else None,
        reference_scores=reference_score.score(matrix, reference) if reference else None,
        ranks=places,
        pairs=comparisons.in_pairs(matrix, places, score_S),
        against=()
        if protocol.against is None
        else comparisons.against(matrix, places, score_S, score_NS, protocol.against),
        at_budget=budgets.at_budgets(scored, targets),
        trials=tuple(scored),
    )


def _known(values: Iterable[str | None]) -> tuple[str, ...]:
    """The different values that trials tell, sorted."""
    return tuple(sorted(set(values) - {None}))


def _not_scored(trials: Sequence[Trial], benchmark: Benchmark) -> Iterable[Anomaly]:
    """One anomaly per workload that the benchmark knows but does not score."""
    workloads = {trial.workload for trial in trials} - set(benchmark.scored_workloads)
    for name in sorted(workloads):
        paths = [trial.path for trial in trials if trial.workload == name]
        yield Anomaly(
            "not_scored", paths[0], f"{name} is neither base nor held-out in the benchmark"
        )


def _finite(value: float | None) -> float | None:
    """The number, or None where JSON has no word for it."""
    return value if value is not None and math.isfinite(value) else None
