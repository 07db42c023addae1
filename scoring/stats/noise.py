"""Noise of studies: how large it is in each cell, and what submissions have of it in common.

A cell is a submission on a workload. Two or three studies tell little about its noise, so cells
learn from each other: a cell's variance is drawn towards that of all cells, as far as those are
alike (Smyth, "Linear models and empirical Bayes methods", 2004, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scoring.stats.streams import Streams

_NUM_SHUFFLES = 39  # without pairing, the studies themselves show more than all in 1 of 40 cases
_LARGEST_CORRELATION = 0.95
_LEAST_VARIANCE = 1e-3  # of the median of all: evaluations are a raster, and times may coincide


@dataclass(frozen=True, eq=False)
class Observed:
    """What studies show, I of them by position: values are logarithms, or in units of a
    workload's noise."""

    value_SWI: np.ndarray  # 0 where the target was not reached
    is_reached_SWI: np.ndarray
    num_studies_SW: np.ndarray

    @property
    def num_reached_SW(self) -> np.ndarray:
        return self.is_reached_SWI.sum(axis=-1)

    @property
    def residual_SWI(self) -> np.ndarray:
        """Differences from the mean of the cell."""
        mean_SW = self.value_SWI.sum(axis=-1) / np.maximum(self.num_reached_SW, 1)
        return np.where(self.is_reached_SWI, self.value_SWI - mean_SW[..., None], 0.0)

    @property
    def freedom_SW(self) -> np.ndarray:
        """Degrees of freedom of a cell's variance."""
        return np.maximum(self.num_reached_SW - 1, 0)

    @property
    def variance_SW(self) -> np.ndarray:
        """Variances of the cells; 0 where one study tells nothing."""
        return (self.residual_SWI**2).sum(axis=-1) / np.maximum(self.freedom_SW, 1)


def observed(values_SWI: np.ndarray, is_logarithmic: bool) -> tuple[Observed, np.ndarray]:
    """What is seen of the noise, and the unit of it on each workload."""
    is_reached_SWI = np.isfinite(values_SWI)
    num_SW = (~np.isnan(values_SWI)).sum(axis=-1)
    if is_logarithmic:
        # No time at all has no logarithm; where all studies say so there is no noise either.
        positive_SWI = np.where(is_reached_SWI & (values_SWI > 0), values_SWI, 1.0)
        return Observed(np.log(positive_SWI), is_reached_SWI, num_SW), np.ones(len(num_SW.T))
    plain = Observed(np.where(is_reached_SWI, values_SWI, 0.0), is_reached_SWI, num_SW)
    freedom_W = plain.freedom_SW.sum(axis=0)
    variance_W = (plain.variance_SW * plain.freedom_SW).sum(axis=0) / np.maximum(freedom_W, 1)
    scale_W = np.sqrt(np.where(variance_W > 0, variance_W, 1.0))
    return Observed(plain.value_SWI / scale_W[:, None], is_reached_SWI, num_SW), scale_W


def deviations(observed: Observed, streams: Streams) -> np.ndarray:
    """Draws of the cells' standard deviations; high or low together on a workload, where what
    studies have in common is then the same for all."""
    from scipy.special import gammaincinv

    freedom_SW, variance_SW = observed.freedom_SW, observed.variance_SW
    prior_freedom, prior_variance = _variance_prior(observed)
    if np.isinf(prior_freedom):  # cells are alike, as far as can be seen
        total = max(int(freedom_SW.sum()), 1)
        chi_N = streams.of("all").chisquare(total, streams.num)
        return np.sqrt(prior_variance * total / chi_N)[:, None, None]
    own_SW = np.maximum(variance_SW, _LEAST_VARIANCE * prior_variance)
    total_SW = prior_freedom + freedom_SW
    sum_SW = prior_freedom * prior_variance + freedom_SW * own_SW
    level_NW = streams.by_workload("variance", lambda rng, num: rng.random(num))
    chi_NSW = 2 * gammaincinv(total_SW / 2, level_NW[:, None])
    return np.sqrt(sum_SW / chi_NSW)


def median_errors(observed: Observed, streams: Streams) -> np.ndarray:
    """Errors of medians over the studies that reached the target, of noise with variance 1."""
    num_studies = observed.value_SWI.shape[-1]
    noise_NSWI = streams.by_cell(
        "noise", lambda rng, at, num: rng.standard_normal((num, num_studies))
    )
    correlation = _correlation(observed, streams.of("shuffles"))
    if correlation > 0:
        shared_NWI = streams.by_workload(
            "shared", lambda rng, num: rng.standard_normal((num, num_studies))
        )
        noise_NSWI = (
            np.sqrt(1 - correlation) * noise_NSWI + np.sqrt(correlation) * shared_NWI[:, None]
        )
    return np.where(observed.num_reached_SW > 0, median(noise_NSWI, observed.is_reached_SWI), 0.0)


def median(values_SWI: np.ndarray, is_reached_SWI: np.ndarray) -> np.ndarray:
    """Medians over the studies that reached the target; inf where none did."""
    ordered = np.sort(np.where(is_reached_SWI, values_SWI, np.inf), axis=-1)
    num_SW = np.maximum(is_reached_SWI.sum(axis=-1), 1)

    def at(rank_SW: np.ndarray) -> np.ndarray:
        rank = np.broadcast_to(rank_SW[..., None], (*ordered.shape[:-1], 1))
        return np.take_along_axis(ordered, rank, axis=-1)[..., 0]

    return at((num_SW - 1) // 2) / 2 + at(num_SW // 2) / 2


def _variance_prior(observed: Observed) -> tuple[float, float]:
    """(degrees of freedom, variance) of the prior of Smyth 2004; inf degrees where cells do not
    differ by more than their few studies make them."""
    from scipy.special import digamma, polygamma

    use = observed.freedom_SW > 0
    freedom_C = observed.freedom_SW[use].astype(float)
    variance_C = observed.variance_SW[use]
    if not (freedom_C.size and variance_C.any()):
        return np.inf, 0.0
    pooled = float(variance_C @ freedom_C / freedom_C.sum())
    least = _LEAST_VARIANCE * np.median(variance_C[variance_C > 0])
    log_C = np.log(np.maximum(variance_C, least))
    centred_C = log_C - digamma(freedom_C / 2) + np.log(freedom_C / 2)
    if len(centred_C) < 2:
        return np.inf, pooled
    excess = centred_C.var(ddof=1) - polygamma(1, freedom_C / 2).mean()
    if excess <= 0:
        return np.inf, pooled
    half = _inverse_trigamma(excess)
    return 2 * half, float(np.exp(centred_C.mean() + digamma(half) - np.log(half)))


def _inverse_trigamma(value: float) -> float:
    """The argument at which the trigamma function has a positive value: Newton's method."""
    from scipy.special import polygamma

    if value > 1e7 or value < 1e-6:  # its asymptotes
        return 1 / np.sqrt(value) if value > 1 else 1 / value
    at = 0.5 + 1 / value
    for _ in range(50):
        found = float(polygamma(1, at))
        step = found * (1 - found / value) / float(polygamma(2, at))
        at += step
        if abs(step) < 1e-8 * at:
            break
    return at


def _correlation(observed: Observed, rng: np.random.Generator) -> float:
    """Of the noise of two submissions in one study of one workload; 0 where it is not clear."""
    # A cell with a gap says less than its place in the sums would claim.
    is_used_SW = (observed.freedom_SW == observed.is_reached_SWI.shape[-1] - 1) & (
        observed.variance_SW > 0
    )
    residual_SWI = np.where(is_used_SW[..., None], observed.residual_SWI, 0.0)
    num_W = is_used_SW.sum(axis=0)
    squares_W = (residual_SWI**2).sum(axis=(0, -1))
    most = float(((num_W - 1) * squares_W).sum())  # what products would add up to if all were alike
    if most <= 0:
        return 0.0

    def products(residual_SWI: np.ndarray) -> float:
        return float((residual_SWI.sum(axis=0) ** 2).sum() - squares_W.sum())

    found = products(residual_SWI)
    shuffled = max(products(rng.permuted(residual_SWI, axis=-1)) for _ in range(_NUM_SHUFFLES))
    return min(found / most, _LARGEST_CORRELATION) if found > shuffled else 0.0
