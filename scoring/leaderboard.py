"""A leaderboard: who reaches the targets soonest, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from dataclasses import field as datafield
from pathlib import Path

import numpy as np

from scoring import benchmark as benchmarks
from scoring.benchmark import Benchmark
from scoring.logs import read
from scoring.logs.read import Anomaly, Trial
from scoring.protocol import UNITS, Protocol, check
from scoring.stats import anomalies, budgets, profile, ranks, reference_score, speedups
from scoring.stats import times_matrix as fields
from scoring.stats.budgets import AtBudget
from scoring.stats.ranks import Ranks
from scoring.stats.reference_score import ReferenceScores
from scoring.stats.rows import Row, build, resampled_scores
from scoring.stats.speedups import Speedups
from scoring.stats.times_matrix import TimesMatrix


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Submissions scored together, best first; a score depends on the others on the board."""

    benchmark: Benchmark
    protocol: Protocol
    workloads: tuple[str, ...]  # base workloads that carry the score
    held_out: tuple[str, ...]  # variants that gate their base
    missing_workloads: tuple[str, ...]  # of the benchmark, in no log
    entries: tuple[Row, ...]
    tau: np.ndarray  # (T,)
    timing: tuple[str, ...]
    fingerprints: tuple[str, ...]
    oddities: tuple[Anomaly, ...]
    reference: str | None  # None: neither asked for, nor is the benchmark's on the board
    speedups: Speedups | None  # None without a reference
    field_free: ReferenceScores | None  # None also if the reference was run on no scored workload
    ranks: Ranks
    at_budget: tuple[AtBudget, ...]
    trials: tuple[Trial, ...] = datafield(repr=False)  # on scored workloads: for curves

    @property
    def unit(self) -> str:
        """Unit of time_to_target: "seconds" or "steps"."""
        return UNITS[self.protocol.by]

    def to_json(self) -> dict:
        """The leaderboard as plain JSON values; null for not reached and not known.

        "time_to_target" is before the gates and in "unit": steps when scored by steps.
        """
        names = [entry.submission for entry in self.entries]
        columns = self.workloads + self.held_out

        def numbers(field: str, workloads: Sequence[str] = columns) -> dict:
            rows = [getattr(entry, field) for entry in self.entries]
            return {
                name: {w: _finite(row.get(w)) for w in workloads}
                for name, row in zip(names, rows, strict=True)
            }

        return {
            "benchmark": self.benchmark.name,
            "mode": self.protocol.mode,
            "by": self.protocol.by,
            "unit": self.unit,
            "scores": {
                e.submission: {"score": e.score, "low": e.low, "high": e.high} for e in self.entries
            },
            "time_to_target": numbers("time_to_target"),
            "time_to_target_gated": numbers("gated", self.workloads),
            "ratio_to_best": numbers("ratio_to_best", self.workloads),
            "steps_to_target": numbers("steps_to_target"),
            "best": numbers("best"),
            "statuses": {
                e.submission: {w: dict(c) for w, c in e.statuses.items()} for e in self.entries
            },
            "profile": {
                "tau": self.tau.tolist(),
                "rho": {entry.submission: entry.rho.tolist() for entry in self.entries},
            },
            "num_studies": {entry.submission: entry.num_studies for entry in self.entries},
            "missing_workloads": list(self.missing_workloads),
            "timing": list(self.timing),
            "fingerprints": list(self.fingerprints),
            "oddities": [asdict(oddity) for oddity in self.oddities],
            **self._views(),
        }

    def _views(self) -> dict:
        """JSON of what stands beside the scores."""
        names = [entry.submission for entry in self.entries]
        return {
            "speedup": None if self.speedups is None else self.speedups.to_json(),
            "field_free": None if self.field_free is None else self.field_free.to_json(),
            **self.ranks.to_json(),
            "at_budget": budgets.to_json(names, self.at_budget),
        }


def score(
    directory: str | Path,
    benchmark: str | Path | Benchmark = "lite",
    ruleset: str = "external",
    mode: str = "exact",
    by: str = "time",
    *,
    only_present: bool = False,
    strict: bool = False,
    allow_mixed_hardware: bool = False,
    allow_mixed_timing: bool = False,
    reference: str | None = None,
) -> Leaderboard:
    """The leaderboard of every submission logged under a directory.

    Args:
      benchmark: name, path of a JSON file, or a Benchmark.
      ruleset, mode, by, only_present, reference: see `Protocol`.
      strict: raise ValueError unless every submission has the ruleset's studies and trials.
      allow_mixed_hardware, allow_mixed_timing: compare wall times of unlike fingerprints, or
        replayed with measured ones, where otherwise ValueError is raised.
    Raises ValueError also for an unknown name and for a tree without a readable trial.
    """
    protocol = Protocol(
        *(ruleset, mode, by, only_present, strict),
        *(allow_mixed_hardware, allow_mixed_timing, reference),
    )
    if not isinstance(benchmark, Benchmark):
        benchmark = benchmarks.load(benchmark)
    metrics = {name: target.metric for name, target in benchmark.workloads.items()}
    trials, oddities = read.read(directory, metrics)
    return score_trials(trials, benchmark, protocol, oddities)


def score_trials(
    trials: Iterable[Trial],
    benchmark: Benchmark,
    protocol: Protocol | None = None,
    oddities: Iterable[Anomaly] = (),
) -> Leaderboard:
    """The leaderboard of trials that are in memory already."""
    protocol = protocol or Protocol()
    # A benchmark need not know any ruleset (a bare targets file); one that does must know this.
    if benchmark.rulesets or protocol.strict:
        benchmark.ruleset(protocol.ruleset)
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
    return _assemble(every, scored, columns, benchmark, protocol, oddities)


def _assemble(
    every: Sequence[Trial],
    scored: Sequence[Trial],
    columns: tuple[str, ...],
    benchmark: Benchmark,
    protocol: Protocol,
    oddities: Iterable[Anomaly],
) -> Leaderboard:
    """All views of the trials; columns: the workloads that take part."""
    targets = {name: benchmark.workloads[name] for name in columns}
    field = fields.of(every, columns, benchmark, protocol)
    score_NS = resampled_scores(field)
    entries = build(field, every, score_NS)
    reference = protocol.reference or benchmark.reference
    reference = reference if reference in field.submissions else None
    ties = anomalies.order_sensitive(scored, targets, protocol.by)
    logged = {trial.workload for trial in scored}
    return Leaderboard(
        benchmark=benchmark,
        protocol=protocol,
        workloads=field.base,
        held_out=tuple(name for name in columns if name not in field.base),
        missing_workloads=tuple(n for n in benchmark.scored_workloads if n not in logged),
        entries=entries,
        tau=profile.tau_grid(),
        timing=tuple(sorted({t.timing for t in scored} - {None})),
        fingerprints=tuple(sorted({t.fingerprint_key for t in scored} - {None})),
        oddities=(
            *oddities,
            *_not_scored(every, benchmark),
            *anomalies.uneven(scored, benchmark),
            *(ties if protocol.mode == "official" else ()),
        ),
        reference=reference,
        speedups=speedups.against(field, reference) if reference else None,
        field_free=reference_score.score(field, reference) if reference else None,
        ranks=_ranks(field, entries, score_NS),
        at_budget=budgets.at_budgets(scored, targets),
        trials=tuple(scored),
    )


def _ranks(field: TimesMatrix, entries: Sequence[Row], score_NS: np.ndarray | None) -> Ranks:
    """The ranks of the entries, in their order."""
    rows = [field.submissions.index(entry.submission) for entry in entries]
    return ranks.compare(
        [entry.submission for entry in entries],
        np.array([entry.score for entry in entries]),
        None if score_NS is None else score_NS[:, rows],
        np.array([field.can_tell(row) for row in rows]),
    )


def _not_scored(trials: Sequence[Trial], benchmark: Benchmark) -> Iterable[Anomaly]:
    """One oddity per workload that the benchmark knows but does not score."""
    workloads = {trial.workload for trial in trials} - set(benchmark.scored_workloads)
    for name in sorted(workloads):
        paths = [trial.path for trial in trials if trial.workload == name]
        yield Anomaly(
            "not_scored", paths[0], f"{name} is neither base nor held-out in the benchmark"
        )


def _finite(value: float | None) -> float | None:
    """The number, or None where JSON has no word for it."""
    return value if value is not None and math.isfinite(value) else None
