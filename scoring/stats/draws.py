"""Draws: times to target as they may truly be, given those of some studies; what intervals rest on.

A study is one observation: the time of its best trial. The logarithm of a study's time is a value
of the cell (a submission on a workload) plus noise, and the true time is the median over very many
studies. Two or three studies tell little about the noise of their cell, so cells learn from each
other:

- a cell's variance is drawn towards that of all cells, as far as those are alike (Smyth, "Linear
  models and empirical Bayes methods", 2004, section 6);
- noise of one study on one workload is correlated between submissions, which share its seeds, if
  it is so clearly in these studies that shuffled ones never show as much;
- the chance that a study reaches the target has a beta prior, fitted to the counts of all cells.

Noise moves a score not only about but also away from its true value: the fastest of several is
seldom as fast as it looks. `Draws.of` takes that bias away, as a basic bootstrap does (Davison and
Hinkley, "Bootstrap Methods and their Application", 1997, section 2.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.stats import noise
from scoring.stats.chances import beyond_middle, chances
from scoring.stats.streams import Streams
from scoring.stats.times import Cell, median_over_studies

NUM_DRAWS = 2000  # the ends of an interval then rest on 50 draws each
COVERAGE = 0.95
Limits = tuple[float, float] | tuple[None, None]


@dataclass(frozen=True, eq=False)
class Draws:
    """N draws of the times of S submissions on W workloads; inf: not reached, or not run.

    Attributes:
      estimate_SW: medians over studies.
      drawn_NSW: what the true times may be.
      noisy_NSW: the estimate with the noise of a median once more, which shows what noise does to
        a number that is computed from times.
    """

    estimate_SW: np.ndarray
    drawn_NSW: np.ndarray
    noisy_NSW: np.ndarray

    def of(self, number: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Draws of a number, (N, ...), freed of the bias that noise gives to it.

        Args:
          number: computes it from times, (..., S, W); NaN where it does not exist.
        """
        drawn, noisy = number(self.drawn_NSW), number(self.noisy_NSW)
        known = ~np.isnan(noisy)
        with np.errstate(invalid="ignore"):
            mean = np.where(known, noisy, 0.0).sum(axis=0) / known.sum(axis=0)
        bias = mean - number(self.estimate_SW)
        # Once for the draws, which are noise about the estimate, and once for the estimate itself.
        return drawn - 2 * np.where(np.isnan(bias), 0.0, bias)


def draw(
    cells: Mapping[tuple[str, str], Cell],
    submissions: Sequence[str],
    workloads: Sequence[str],
    is_logarithmic: bool = True,
    num: int = NUM_DRAWS,
    seed: int = 0,
) -> Draws | None:
    """Draws of the cells' values; None where no cell has two studies.

    Args:
      is_logarithmic: False for costs that are no times: they are compared as they are, workload by
        workload.
    """
    if not any(len(cell) > 1 for cell in cells.values()):
        return None
    values_SWI = _values(cells, submissions, workloads)
    estimate_SW = np.array(
        [[median_over_studies(cells.get((s, w), {})) for w in workloads] for s in submissions]
    )
    observed, scale_W = noise.observed(values_SWI, is_logarithmic)
    streams = Streams(seed, tuple(submissions), tuple(workloads), num)
    deviation_NSW = noise.deviations(observed, streams)
    if not is_logarithmic:
        # Costs that coincide are cut off at a limit; times that do are seen through a raster.
        deviation_NSW = np.where(
            (observed.freedom_SW > 0) & (observed.variance_SW == 0), 0.0, deviation_NSW
        )
    error_NSW = deviation_NSW * noise.median_errors(observed, streams)
    chance_NSW = chances(observed, streams)
    beyond_NSW = deviation_NSW * beyond_middle(chance_NSW)
    is_reached_NSW = (chance_NSW > 0.5) & (observed.num_reached_SW > 0)

    def moved(start_SW: np.ndarray, by_NSW: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            if is_logarithmic:
                return start_SW * np.exp(by_NSW)
            return start_SW + scale_W * by_NSW

    noisy_NSW = moved(estimate_SW, error_NSW)
    drawn_NSW = moved(noise.median(values_SWI, observed.is_reached_SWI), error_NSW + beyond_NSW)
    return Draws(
        estimate_SW,
        np.where(is_reached_NSW & ~np.isnan(drawn_NSW), drawn_NSW, np.inf),
        np.where(np.isfinite(estimate_SW), noisy_NSW, np.inf),
    )


def limits(values_N: np.ndarray, point: float) -> Limits:
    """The 95% interval of a number from its draws, (None, None) where it cannot be told.

    NaN stands for a draw in which the number does not exist; a few may be missing, but not more
    than one tail holds.
    """
    tail = (1.0 - COVERAGE) / 2
    known_N = values_N[~np.isnan(values_N)]
    if len(known_N) < (1.0 - tail) * len(values_N):
        return None, None
    low, high = np.quantile(known_N, (tail, 1.0 - tail))
    # An interval that excludes the very number it qualifies would mislead.
    return float(min(low, point)), float(max(high, point))


def _values(
    cells: Mapping[tuple[str, str], Cell], submissions: Sequence[str], workloads: Sequence[str]
) -> np.ndarray:
    """Values by position of their study; NaN where a submission has no such study."""
    studies = sorted({study for cell in cells.values() for study in cell})
    nothing: Cell = {}
    return np.array(
        [
            [[cells.get((s, w), nothing).get(i, np.nan) for i in studies] for w in workloads]
            for s in submissions
        ]
    )
