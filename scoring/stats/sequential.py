"""Decisions about pairs after every study, with an error that holds over all looks together.

Of two submissions the question is which one is faster, by the mean over workloads of the logarithm
of the ratio of their times in the same study. A ratio beyond four earns no credit on a leaderboard
and counts as four here, as does a target that only one of them reached.

Whoever looks at an interval after every study and stops at the first that excludes 0 is wrong far
more often than in 5% of cases. So each look has a level of its own. Levels come from a spending
function (Lan and DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 1983, of
O'Brien and Fleming's kind), which allows little early on, when a few studies may mislead, and
nearly 5% at the last look. At each look the interval of that level is Student's, since a few
studies tell little about their noise (Jennison and Turnbull, "Group sequential methods", 2000,
section 4.4), with degrees of freedom after Satterthwaite (1946), since workloads differ in noise.
The intervals of all looks hold together, so that one may also stop where an interval shows that
there is no relevant difference (their chapter 9).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from scoring.stats.profile import TAU_MAX
from scoring.stats.times import Cell

ERROR = 0.05  # of a whole experiment, for all its pairs and looks together
FIRST_LOOK = 2  # studies: one cannot tell how studies differ
IRRELEVANT = 1.05  # a ratio of times up to which nobody cares
_LEAST_NOISE = 0.02  # of a log ratio: evaluations are a raster, so studies that agree are no proof
_MOST = math.log(TAU_MAX)
_GRID = 601  # points between the boundaries of a look
_HIGHEST = 8.0  # standard errors: a boundary beyond is never met
FASTER, SLOWER, ALIKE, OPEN = "faster", "slower", "no relevant difference", "not decided"


@dataclass(frozen=True)
class Decision:
    """What is known of a pair after some studies.

    Attributes:
      first, second: the submissions.
      verdict: "faster" or "slower" of the first, "no relevant difference", or "not decided".
      ratio: times of the second over those of the first, mean over workloads.
      low, high: its limits, which hold over all looks together.
      num_studies: that it rests on.
    """

    first: str
    second: str
    verdict: str
    ratio: float
    low: float
    high: float
    num_studies: int

    @property
    def is_open(self) -> bool:
        """Whether further studies may tell."""
        return self.verdict == OPEN


def decisions(
    cells: Mapping[tuple[str, str], Cell],
    submissions: Sequence[str],
    workloads: Sequence[str],
    levels: Mapping[int, float],
) -> tuple[Decision, ...]:
    """The decision about every pair, at the first look that made it, or at the last there is.

    A function of the results alone: whoever goes on with an experiment finds every look again.

    Args:
      cells: times (or steps) of studies by (submission, workload); see `times.cells`.
      levels: of the interval at each look, by the number of studies; see `levels_of`.
    """
    pairs = combinations(submissions, 2)
    return tuple(_decision(cells, pair, workloads, levels) for pair in pairs)


def _decision(
    cells: Mapping[tuple[str, str], Cell],
    pair: tuple[str, str],
    workloads: Sequence[str],
    levels: Mapping[int, float],
) -> Decision:
    found = Decision(*pair, OPEN, 1.0, 1 / TAU_MAX, TAU_MAX, 0)
    for num_studies, level in levels.items():
        ratio_WI = log_ratios(cells, pair, workloads, num_studies)
        if ratio_WI is None:
            break
        middle, low, high = interval(ratio_WI, level)
        verdict = _verdict(low, high)
        found = Decision(*pair, verdict, *map(math.exp, (middle, low, high)), num_studies)
        if not found.is_open:
            break
    return found


def _verdict(low: float, high: float) -> str:
    if low > 0:
        return FASTER
    if high < 0:
        return SLOWER
    is_alike = -math.log(IRRELEVANT) < low and high < math.log(IRRELEVANT)
    return ALIKE if is_alike else OPEN


def log_ratios(
    cells: Mapping[tuple[str, str], Cell],
    pair: tuple[str, str],
    workloads: Sequence[str],
    num_studies: int,
) -> np.ndarray | None:
    """Logarithms of the second's times over the first's in studies 0 to `num_studies` - 1, (W, I);
    None where one of these has not been run."""
    first_WI, second_WI = (_times(cells, name, workloads, num_studies) for name in pair)
    if np.isnan([first_WI, second_WI]).any():
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_WI = np.log(second_WI) - np.log(first_WI)
    # Neither reached the target, or both before their first step: nothing is between them.
    return np.clip(np.where(np.isnan(ratio_WI), 0.0, ratio_WI), -_MOST, _MOST)


def _times(
    cells: Mapping[tuple[str, str], Cell], name: str, workloads: Sequence[str], num_studies: int
) -> np.ndarray:
    nothing: Cell = {}
    return np.array(
        [
            [cells.get((name, workload), nothing).get(i, math.nan) for i in range(num_studies)]
            for workload in workloads
        ]
    )


def interval(ratio_WI: np.ndarray, level: float) -> tuple[float, float, float]:
    """(mean over workloads, low, high) of log ratios, for an interval that misses with a chance of
    `level`."""
    from scipy.special import stdtrit

    num_workloads, num_studies = ratio_WI.shape
    # Where neither ever reached the target there is no noise, and no raster either.
    tells_W = (ratio_WI != 0).any(axis=1)
    least = np.where(tells_W, _LEAST_NOISE**2, 0.0)
    variance_W = np.maximum(ratio_WI.var(axis=1, ddof=1), least) / num_studies
    middle = float(ratio_WI.mean())
    if not variance_W.any():
        return middle, -_MOST, _MOST  # nobody reached anything: nothing is known
    error = math.sqrt(variance_W.sum()) / num_workloads
    freedom = (num_studies - 1) * variance_W.sum() ** 2 / (variance_W**2).sum()
    reach = -float(stdtrit(freedom, level / 2)) * error
    return middle, max(middle - reach, -_MOST), min(middle + reach, _MOST)


@functools.cache
def levels_of(most_studies: int, num_submissions: int, error: float = ERROR) -> Mapping[int, float]:
    """The level of a pair's interval at each look, by the number of studies: it is looked after
    each one, from the second on.

    Args:
      most_studies: that there will ever be of a submission.
      num_submissions: that are compared in pairs; their number divides the error (Bonferroni).
      error: the chance that any of the pairs is decided wrongly.
    Raises ValueError for fewer than two studies.
    """
    from scipy.special import ndtr

    if most_studies < FIRST_LOOK:
        raise ValueError(f"max_studies is {most_studies}; expected a whole number >= {FIRST_LOOK}")
    looks = range(FIRST_LOOK, most_studies + 1)
    error /= math.comb(num_submissions, 2)
    return {
        look: 2 * float(ndtr(-boundary))
        for look, boundary in zip(looks, boundaries(looks, most_studies, error), strict=True)
    }


def spent(share: float, error: float) -> float:
    """The part of the error that may be spent once this share of all studies is there: O'Brien and
    Fleming's boundary as a function of time (Lan and DeMets 1983, alpha*_1)."""
    from scipy.special import ndtr, ndtri

    return 2 * float(ndtr(ndtri(error / 2) / math.sqrt(share)))


def boundaries(
    looks: Iterable[int],
    most_studies: int,
    error: float,
    spending: Callable[[float, float], float] = spent,
) -> list[float]:
    """Standard errors beyond which a difference is decided, at each look.

    A sum of studies without a difference is a random walk; its density between the boundaries is
    carried from look to look (Armitage, McPherson and Rowe 1969), and each boundary is set such
    that beyond it lies what the look may spend.
    """
    found: list[float] = []
    at_G, density_G, before = np.zeros(1), np.ones(1), 0.0
    for look in looks:
        share = look / most_studies
        step = math.sqrt(share - before)
        allowed = spending(share, error) - (spending(before, error) if before else 0.0)
        edge = _edge(at_G, density_G, step, allowed, math.sqrt(share))
        found.append(edge / math.sqrt(share))
        following_G = np.linspace(-edge, edge, _GRID)
        z_GG = (following_G[:, None] - at_G) / step
        density_G = np.exp(-(z_GG**2) / 2) @ density_G / (step * math.sqrt(2 * math.pi))
        weights_G = np.full(_GRID, following_G[1] - following_G[0])
        weights_G[[0, -1]] /= 2  # the trapezoid rule, whose weights the density keeps
        at_G, density_G, before = following_G, density_G * weights_G, share
    return found


def _edge(
    at_G: np.ndarray, density_G: np.ndarray, step: float, allowed: float, unit: float
) -> float:
    """How far from 0 the walk may be, so that it is beyond with a chance of `allowed`."""
    from scipy.special import ndtr

    def beyond(edge: float) -> float:
        tail_G = ndtr((at_G - edge) / step) + ndtr((-edge - at_G) / step)
        return float(tail_G @ density_G)

    low, high = 0.0, _HIGHEST * unit
    for _ in range(60):  # halvings: to the last bits
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle) > allowed else (low, middle)
    return high
