"""Times to target of every submission on every workload, and draws of them, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoring.benchmark import Benchmark
from scoring.logs.read import Trial
from scoring.protocol import Protocol
from scoring.stats import draws
from scoring.stats.draws import Draws
from scoring.stats.times import cells, median_over_studies


@dataclass(frozen=True, eq=False)
class TimesMatrix:
    """The numbers that one leaderboard is computed from: S submissions on W workloads.

    Times are medians over studies; inf: not reached, NaN: no data.
    """

    benchmark: Benchmark
    mode: str
    submissions: tuple[str, ...]  # sorted by name
    workloads: tuple[str, ...]  # base workloads, then held-out ones
    times_SW: np.ndarray  # in the protocol's unit
    steps_SW: np.ndarray
    num_studies_S: np.ndarray  # the least over the workloads that the submission was logged on
    draws: Draws | None  # of times; None when no submission has two studies

    @property
    def base(self) -> tuple[str, ...]:
        """The workloads that carry the score."""
        return tuple(name for name in self.workloads if name in self.benchmark.base_workloads)

    @property
    def base_columns(self) -> list[int]:
        """Columns of the base workloads."""
        return [self.workloads.index(name) for name in self.base]

    def can_tell(self, *rows: int) -> bool:
        """Whether all these submissions have the two studies that an interval needs."""
        return self.draws is not None and bool((self.num_studies_S[list(rows)] > 1).all())


def of(
    trials: Sequence[Trial], workloads: tuple[str, ...], benchmark: Benchmark, protocol: Protocol
) -> TimesMatrix:
    """The matrix of these trials on these workloads of the benchmark."""
    targets = {name: benchmark.workloads[name] for name in workloads}
    # Also a submission with no scored workload stands on the board, with 0.
    submissions = tuple(sorted({trial.submission for trial in trials}))
    found = cells(trials, targets, protocol.mode, protocol.by)
    steps = found if protocol.by == "steps" else cells(trials, targets, protocol.mode, "steps")
    studies_SW = np.array(
        [[len(found.get((s, w), {})) for w in workloads] for s in submissions], np.int64
    )
    # The least over the workloads: an interval is as good as its weakest part.
    logged_SW = np.where(studies_SW > 0, studies_SW, np.iinfo(np.int64).max)
    num_studies_S = np.where(studies_SW.any(axis=1), logged_SW.min(axis=1), 0)
    # One study cannot tell how studies differ.
    several = bool((num_studies_S > 1).any())
    return TimesMatrix(
        benchmark=benchmark,
        mode=protocol.mode,
        submissions=submissions,
        workloads=workloads,
        times_SW=_medians(found, submissions, workloads),
        steps_SW=_medians(steps, submissions, workloads),
        num_studies_S=num_studies_S,
        draws=draws.draw(found, submissions, workloads) if several else None,
    )


def _medians(found: dict, submissions: tuple[str, ...], workloads: tuple[str, ...]) -> np.ndarray:
    """Median over studies by submission and workload, (S, W)."""
    return np.array(
        [[median_over_studies(found.get((s, w), {})) for w in workloads] for s in submissions]
    )
