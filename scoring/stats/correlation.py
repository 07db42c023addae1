"""Rank correlations with ties, over the last axis; leading axes (draws) pass through."""

from __future__ import annotations

import numpy as np

from scoring.stats.ranks import TIE


def kendall(x_S: np.ndarray, y_S: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of S values each, (...,); NaN where one side has no two that differ.

    Concordant less discordant pairs over the geometric mean of the numbers of pairs that are not
    tied on either side (Kendall 1945). Numbers that differ by less than `TIE` are tied.
    """
    x_P, y_P = _signs(x_S), _signs(y_S)
    agreeing = (x_P * y_P).sum(axis=-1, dtype=np.float64)
    untied = np.abs(x_P).sum(axis=-1, dtype=np.float64) * np.abs(y_P).sum(axis=-1, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(untied > 0, agreeing / np.sqrt(untied), np.nan)


def spearman(x_S: np.ndarray, y_S: np.ndarray) -> np.ndarray:
    """Spearman's rho: Pearson's correlation of the ranks, equals sharing their middle one.

    Shapes and NaN are as for `kendall`.
    """
    # The share that one beats is a linear function of its rank.
    x_S, y_S = (beaten(values_S) - 0.5 for values_S in np.broadcast_arrays(x_S, y_S))
    spread = np.sqrt((x_S**2).sum(axis=-1) * (y_S**2).sum(axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > TIE, (x_S * y_S).sum(axis=-1) / spread, np.nan)


def beaten(values_S: np.ndarray) -> np.ndarray:
    """Share of the others that each is greater than, in [0, 1]; a tie counts half.

    The same order on a scale that all workloads share. Infinities take part, and tie with their
    like. One alone has 0.5.
    """
    size = values_S.shape[-1]
    if size < 2:
        return np.full(values_S.shape, 0.5)
    more = np.empty(values_S.shape, np.int64)
    # One after the other: all pairs of all draws at once would be S times the memory.
    for i in range(size):
        with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is neither above nor below
            gap_S = values_S[..., [i]] - values_S
        more[..., i] = (gap_S > TIE).sum(axis=-1) - (gap_S < -TIE).sum(axis=-1)
    return 0.5 + more / (2 * (size - 1))


def _signs(values_S: np.ndarray) -> np.ndarray:
    """Sign of the difference of every pair, (..., P)."""
    first, second = np.triu_indices(values_S.shape[-1], k=1)
    gap_P = values_S[..., first] - values_S[..., second]
    # Small integers: draws of a board of a hundred are ten million pairs.
    return (gap_P > TIE).astype(np.int8) - (gap_P < -TIE).astype(np.int8)
