"""A leaderboard: who reaches the targets soonest, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from scoring import benchmark as benchmarks
from scoring import logs, profile
from scoring.benchmark import Benchmark
from scoring.entries import Entry, build
from scoring.logs import Oddity, Trial
from scoring.protocol import UNITS, Protocol, check


@dataclass(frozen=True)
class Leaderboard:
    """Submissions scored together, best first; a score depends on the others on the board."""

    benchmark: Benchmark
    protocol: Protocol
    workloads: tuple[str, ...]  # base workloads that carry the score
    held_out: tuple[str, ...]  # variants that gate their base
    missing_workloads: tuple[str, ...]  # of the benchmark, in no log
    entries: tuple[Entry, ...]
    tau: np.ndarray  # (T,)
    timing: tuple[str, ...]
    fingerprints: tuple[str, ...]
    oddities: tuple[Oddity, ...]

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
) -> Leaderboard:
    """The leaderboard of every submission logged under a directory.

    Args:
      benchmark: name, path of a JSON file, or a Benchmark.
      ruleset, mode, by, only_present: see `Protocol`.
      strict: raise ValueError unless every submission has the ruleset's studies and trials.
      allow_mixed_hardware, allow_mixed_timing: compare wall times of unlike fingerprints, or
        replayed with measured ones, where otherwise ValueError is raised.
    Raises ValueError also for an unknown name and for a tree without a readable trial.
    """
    protocol = Protocol(
        ruleset, mode, by, only_present, strict, allow_mixed_hardware, allow_mixed_timing
    )
    if not isinstance(benchmark, Benchmark):
        benchmark = benchmarks.load(benchmark)
    metrics = {name: target.metric for name, target in benchmark.workloads.items()}
    trials, oddities = logs.read(directory, metrics)
    return score_trials(trials, benchmark, protocol, oddities)


def score_trials(
    trials: Iterable[Trial],
    benchmark: Benchmark,
    protocol: Protocol | None = None,
    oddities: Iterable[Oddity] = (),
) -> Leaderboard:
    """The leaderboard of trials that are in memory already."""
    protocol = protocol or Protocol()
    # A benchmark need not know any ruleset (a bare targets file); one that does must know this.
    if benchmark.rulesets or protocol.strict:
        benchmark.ruleset(protocol.ruleset)
    every = sorted(trials, key=lambda t: (t.submission, t.study, t.workload, t.trial))
    scored = [trial for trial in every if trial.workload in benchmark.scored_workloads]
    logged = {trial.workload for trial in scored}
    missing = tuple(name for name in benchmark.scored_workloads if name not in logged)
    columns = tuple(
        name for name in benchmark.scored_workloads if name in logged or not protocol.only_present
    )
    base = tuple(name for name in columns if name in benchmark.base_workloads)
    if not scored or not base:
        raise ValueError(
            f"no trial on a base workload of benchmark {benchmark.name!r}; expected one of "
            f"{', '.join(benchmark.base_workloads)}, so run one or choose another benchmark"
        )
    uneven = check(every, benchmark, protocol)
    return Leaderboard(
        benchmark=benchmark,
        protocol=protocol,
        workloads=base,
        held_out=tuple(name for name in columns if name not in base),
        missing_workloads=missing,
        entries=build(every, columns, benchmark, protocol),
        tau=profile.tau_grid(),
        timing=tuple(sorted({t.timing for t in scored} - {None})),
        fingerprints=tuple(sorted({t.fingerprint_key for t in scored} - {None})),
        oddities=(*oddities, *_not_scored(every, benchmark), *uneven),
    )


def _not_scored(trials: Sequence[Trial], benchmark: Benchmark) -> Iterable[Oddity]:
    """One oddity per workload that the benchmark knows but does not score."""
    workloads = {trial.workload for trial in trials} - set(benchmark.scored_workloads)
    for name in sorted(workloads):
        paths = [trial.path for trial in trials if trial.workload == name]
        yield Oddity(
            "not_scored", paths[0], f"{name} is neither base nor held-out in the benchmark"
        )


def _finite(value: float | None) -> float | None:
    """The number, or None where JSON has no word for it."""
    return value if value is not None and math.isfinite(value) else None
