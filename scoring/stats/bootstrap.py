"""The bootstrap behind every interval: resample studies, then the trials within each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np

from scoring.stats.times import Cell

NUM_RESAMPLES = 2000  # the ends of the interval then rest on 50 resamples each
COVERAGE = 0.95
Limits = tuple[float, float] | tuple[None, None]


def resampled_times(cell: Cell, rng: np.random.Generator, num: int) -> np.ndarray:
    """`num` bootstrap values of the time to target of one submission on one workload, (num,)."""
    # A submission that was not run on a workload never reaches it, in no resample.
    if not cell:
        return np.full(num, np.inf)
    num_trials_S = np.array([len(values) for values in cell])
    values_ST = np.full((len(cell), num_trials_S.max()), np.inf)
    for s, values in enumerate(cell):
        values_ST[s, : len(values)] = values
    study_NS = rng.integers(len(cell), size=(num, len(cell)))
    n_NS = num_trials_S[study_NS]
    # Only the best-ranked of n trials drawn with replacement matters. P(best rank >= k) is
    # ((n - k) / n)^n, so one uniform number inverts to that rank: no n draws needed.
    rank_NS = (n_NS * (1.0 - rng.random(study_NS.shape) ** (1.0 / n_NS))).astype(np.int64)
    times_NS = np.sort(values_ST[study_NS, np.minimum(rank_NS, n_NS - 1)], axis=-1)
    return times_NS[:, (len(cell) - 1) // 2] / 2 + times_NS[:, len(cell) // 2] / 2


def resample(
    cells: Mapping[tuple[str, str], Cell],
    submissions: Sequence[str],
    workloads: Sequence[str],
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """Bootstrap values of every time to target, (N, S, W); inf where there is no data."""
    times_NSW = np.empty((num_resamples, len(submissions), len(workloads)))
    for s, submission in enumerate(submissions):
        for w, workload in enumerate(workloads):
            # A stream per cell: who else is on the board does not change a cell's resamples.
            key = [seed, *(crc32(n.encode("utf-8", "replace")) for n in (submission, workload))]
            times_NSW[:, s, w] = resampled_times(
                cells.get((submission, workload), ()), np.random.default_rng(key), num_resamples
            )
    return times_NSW


def limits(values_N: np.ndarray, point: float) -> Limits:
    """The 95% percentile interval of resampled values, (None, None) where it cannot be told.

    NaN stands for a resample in which the number does not exist; a few may be missing, but not
    more than one tail holds.
    """
    tail = (1.0 - COVERAGE) / 2
    known_N = values_N[~np.isnan(values_N)]
    if len(known_N) < (1.0 - tail) * len(values_N):
        return None, None
    low, high = np.quantile(known_N, (tail, 1.0 - tail))
    # A resample of trials can lose the best one and never gain a better, so resampled times lean
    # to the slow side; an interval that excludes the very number it qualifies would mislead.
    return float(min(low, point)), float(max(high, point))
