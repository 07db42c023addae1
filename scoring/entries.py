"""One submission's row of a leaderboard, and how the rows come out of trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring import profile
from scoring.benchmark import Benchmark, Target
from scoring.bootstrap import intervals
from scoring.logs import Trial
from scoring.protocol import Protocol
from scoring.times import Cell, cells, median_over_studies, outcome

Cells = Mapping[tuple[str, str], Cell]


@dataclass(frozen=True)
class Entry:
    """One submission's row. Mappings are by workload and hold the workloads it was logged on."""

    submission: str
    score: float
    low: float | None  # limits of the 95% interval; None when one study cannot tell
    high: float | None
    num_studies: int  # the least over its scored workloads: what the interval rests on
    time_to_target: Mapping[str, float]  # in the leaderboard's unit; inf: not reached
    steps_to_target: Mapping[str, float]
    ratio_to_best: Mapping[str, float]  # base workloads, after the gates; inf: no credit
    gated: Mapping[str, float]  # base workloads: time to target after the gates
    statuses: Mapping[str, Mapping[str, int]]
    best: Mapping[str, float]  # best validation metric over trials; NaN: none was finite
    rho: np.ndarray  # (T,) performance profile on the leaderboard's tau


def build(
    trials: Sequence[Trial],
    columns: tuple[str, ...],
    benchmark: Benchmark,
    protocol: Protocol,
) -> tuple[Entry, ...]:
    """Entries for all submissions, sorted by score, then name; columns: workloads to score."""
    targets = {name: benchmark.workloads[name] for name in columns}
    # Also a submission with no scored workload stands on the board, with 0.
    submissions = sorted({trial.submission for trial in trials})
    found = cells(trials, targets, protocol.mode, protocol.by)
    steps = cells(trials, targets, protocol.mode, "steps")
    times = [[median_over_studies(found.get((s, w), ())) for w in columns] for s in submissions]
    gated_SB, base = profile.gate(np.array(times), columns, benchmark)
    ratios_SB = profile.ratios(gated_SB)
    score_S = profile.scores(ratios_SB, protocol.mode)
    rho_ST = profile.rho(ratios_SB, profile.tau_grid())
    limits = _limits(found, submissions, columns, benchmark, protocol, score_S)
    entries = []
    for i, (name, (low, high)) in enumerate(zip(submissions, limits, strict=True)):
        own = [t for t in trials if t.submission == name and t.workload in targets]
        entries.append(
            Entry(
                submission=name,
                score=float(score_S[i]),
                low=low,
                high=high,
                num_studies=_num_studies(found, name),
                time_to_target=_medians(found, name),
                steps_to_target=_medians(steps, name),
                ratio_to_best=dict(zip(base, ratios_SB[i].tolist(), strict=True)),
                gated=dict(zip(base, gated_SB[i].tolist(), strict=True)),
                statuses=_statuses(own, targets),
                best=_best(own, targets),
                rho=rho_ST[i],
            )
        )
    return tuple(sorted(entries, key=lambda entry: (-entry.score, entry.submission)))


def _limits(
    found: Cells,
    submissions: Sequence[str],
    columns: tuple[str, ...],
    benchmark: Benchmark,
    protocol: Protocol,
    score_S: np.ndarray,
) -> list[tuple[float, float] | tuple[None, None]]:
    """Interval of each submission's score, (None, None) where one study cannot tell."""
    if all(_num_studies(found, name) < 2 for name in submissions):
        return [(None, None)] * len(submissions)
    low_S, high_S = intervals(found, submissions, columns, benchmark, protocol.mode)
    # A resample of trials can lose the best one and never gain a better, so resampled times lean
    # to the slow side; an interval that excludes the very score it qualifies would mislead.
    low_S, high_S = np.minimum(low_S, score_S), np.maximum(high_S, score_S)
    return [
        (float(low), float(high)) if _num_studies(found, name) > 1 else (None, None)
        for name, low, high in zip(submissions, low_S, high_S, strict=True)
    ]


def _num_studies(found: Cells, submission: str) -> int:
    """The least number of studies over the scored workloads that the submission was logged on."""
    return min((len(cell) for (name, _), cell in found.items() if name == submission), default=0)


def _medians(found: Cells, submission: str) -> dict[str, float]:
    """Median over studies by workload."""
    return {
        workload: median_over_studies(cell)
        for (name, workload), cell in found.items()
        if name == submission
    }


def _by_workload(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """The trials of each workload, in their order."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.workload, []).append(trial)
    return groups


def _statuses(trials: Sequence[Trial], targets: Mapping[str, Target]) -> dict[str, dict[str, int]]:
    """How many trials ended in which way, by workload."""
    return {
        workload: dict(Counter(outcome(trial, targets[workload]) for trial in group))
        for workload, group in _by_workload(trials).items()
    }


def _best(trials: Sequence[Trial], targets: Mapping[str, Target]) -> dict[str, float]:
    """Best validation metric over valid trials, by workload; NaN where none is finite."""
    return {
        workload: targets[workload].best(
            np.concatenate([trial.metric for trial in group if trial.status != "invalid"] or [[]])
        )
        for workload, group in _by_workload(trials).items()
    }
