"""Streams of random numbers, by what they are for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np


@dataclass(frozen=True)
class Streams:
    """Random numbers by what they are for. A cell has streams of its own, so that the same cell is
    drawn alike on boards that have it beside others: `fidelity` compares such boards."""

    seed: int
    submissions: tuple[str, ...]
    workloads: tuple[str, ...]
    num: int  # draws

    def of(self, *names: str) -> np.random.Generator:
        """The stream of these names."""
        key = [self.seed, *(crc32(name.encode("utf-8", "replace")) for name in names)]
        return np.random.default_rng(key)

    def by_cell(
        self, kind: str, drawn: Callable[[np.random.Generator, tuple[int, int], int], np.ndarray]
    ) -> np.ndarray:
        """What is drawn for each cell, (N, S, W, ...)."""
        rows = [
            [
                drawn(self.of(kind, submission, workload), (s, w), self.num)
                for w, workload in enumerate(self.workloads)
            ]
            for s, submission in enumerate(self.submissions)
        ]
        return np.moveaxis(np.array(rows), 2, 0)

    def by_workload(
        self, kind: str, drawn: Callable[[np.random.Generator, int], np.ndarray]
    ) -> np.ndarray:
        """What is drawn for each workload, for all submissions together: (N, W, ...)."""
        rows = [drawn(self.of(kind, workload), self.num) for workload in self.workloads]
        return np.stack(rows, axis=1)
