"""Chances that a study reaches the target, and what they make of a median over studies."""

from __future__ import annotations

import numpy as np

from scoring.stats.noise import Observed
from scoring.stats.streams import Streams

_CHANCES = np.linspace(0.05, 0.95, 19)  # means of beta priors to choose from
_SURENESS = np.geomspace(0.03, 10, 15)  # and their numbers of observations


def chances(observed: Observed, streams: Streams) -> np.ndarray:
    """Draws of the chance that a study reaches the target."""
    reached_SW, studies_SW = observed.num_reached_SW, observed.num_studies_SW
    missed_SW = studies_SW - reached_SW
    if not ((reached_SW > 0) & (missed_SW > 0)).any():
        # All studies of each cell agree: what was reached always will be.
        share_SW = reached_SW / np.maximum(studies_SW, 1)
        return np.broadcast_to(share_SW, (streams.num, *share_SW.shape))
    a, b = _prior(reached_SW, missed_SW)
    return streams.by_cell(
        "chance", lambda rng, at, num: rng.beta(reached_SW[at] + a, missed_SW[at] + b, num)
    )


def beyond_middle(chance_NSW: np.ndarray) -> np.ndarray:
    """Where, in standard deviations above the middle of the studies that reach the target, the
    median of all studies lies."""
    from scipy.special import ndtri

    share = np.clip(0.5 / np.maximum(chance_NSW, 1e-9), 0.5, 1 - 1e-6)
    return ndtri(share)


def _prior(reached_SW: np.ndarray, missed_SW: np.ndarray) -> tuple[float, float]:
    """The beta distribution under which the counts of all cells are likeliest, given that at least
    one study got there: of a cell that never does there is nothing to draw."""
    from scipy.special import betaln

    seen = reached_SW > 0
    reached_C1, missed_C1 = reached_SW[seen][:, None], missed_SW[seen][:, None]

    mean, sureness = (grid.ravel() for grid in np.meshgrid(_CHANCES, _SURENESS))
    a_G, b_G = mean * sureness, (1 - mean) * sureness
    counts_CG = betaln(reached_C1 + a_G, missed_C1 + b_G)
    none_CG = betaln(a_G, reached_C1 + missed_C1 + b_G)
    all_G = betaln(a_G, b_G)
    likelihood_CG = counts_CG - all_G - np.log1p(-np.exp(none_CG - all_G))
    best = likelihood_CG.sum(axis=0).argmax()
    return float(a_G[best]), float(b_G[best])
