"""Importance of hyperparameters: does a result rise or fall with one, or peak in its middle?

Of each hyperparameter two rank correlations (Spearman's rho) with how good a trial is, averaged
over workloads: of its value, the *trend*; and of how near the value is to the middle of those that
were tried, the *peak*, as too small and too large a learning rate are both bad. Ranks make the
scale of a value, linear or logarithmic, no matter.

All workloads share the same few points, so more workloads make a correlation no surer than its
points allow. What chance alone does is seen by permuting the results among the points, on all
workloads alike: limits have the standard error of Bonett and Wright ("Sample size requirements for
estimating Pearson, Kendall and Spearman correlations", Psychometrika 2000), at as many points as
the spread of the permuted correlations stands for, and the quantile of the greatest of all
permuted ones (single-step maxT: Westfall and Young, "Resampling-Based Multiple Testing", 1993). So
the intervals hold all together with 95%, and those that leave out 0 are what the test finds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from scoring.benchmark import Target
from scoring.logs.read import Trial
from scoring.stats.draws import COVERAGE
from scoring.stats.points import Points, points
from scoring.stats.ranks import TIE

_NUM_PERMUTATIONS = 999  # with the trials as they are, 1,000: the 950th is 95%
_FEWEST = 4  # points: of three, every order is one of six
_MOST = 1 - 1e-3  # of a rho: the logarithm behind the interval has no place for 1
_TELLING = 0.84  # standard errors beyond the limit that are passed four times in five


@dataclass(frozen=True)
class Correlation:
    """Spearman's rho and the limits of its interval; None where chance has no spread."""

    rho: float
    low: float | None
    high: float | None

    @property
    def is_found(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low is not None and (self.low > TIE or self.high < -TIE)


@dataclass(frozen=True)
class Effect:
    """One hyperparameter: rho of its value, and of its nearness to the middle, with goodness."""

    hyperparameter: str
    trend: Correlation  # above 0: the larger the better
    peak: Correlation | None  # above 0: best in the middle; None: it has two values only

    @property
    def strongest(self) -> Correlation:
        """The one that is farther from 0."""
        if self.peak is None or abs(self.trend.rho) >= abs(self.peak.rho):
            return self.trend
        return self.peak

    @property
    def is_found(self) -> bool:
        """Whether any of both is told from chance."""
        return self.trend.is_found or (self.peak is not None and self.peak.is_found)

    def to_json(self) -> dict:
        """Plain JSON values."""
        return {**asdict(self), "is_found": self.is_found}


@dataclass(frozen=True, eq=False)
class Importance:
    """What the points of one submission say of its hyperparameters.

    Attributes:
      points: what is known of them.
      effects: over all workloads, the strongest first; their intervals hold together.
      by_workload: on each; the intervals of all workloads hold together.
      visible: the least |rho| that so many points tell from chance; None where none would be.
      more_points: beyond these, that tell the strongest effect four times in five if it is what it
        looks like; None where it is told, or there is none.
    """

    submission: str
    points: Points
    effects: tuple[Effect, ...]
    by_workload: Mapping[str, tuple[Effect, ...]]
    visible: float | None
    more_points: int | None

    def to_json(self) -> dict:
        """Plain JSON values."""
        return {
            "num_points": self.points.size,
            "num_left_out": self.points.num_left_out,
            "visible": self.visible,
            "more_points": self.more_points,
            "fixed": list(self.points.fixed),
            "unordered": list(self.points.unordered),
            "effects": [effect.to_json() for effect in self.effects],
            "by_workload": {
                name: [effect.to_json() for effect in effects]
                for name, effects in self.by_workload.items()
            },
        }


def of_board(
    trials: Sequence[Trial], targets: Mapping[str, Target], mode: str = "exact", by: str = "time"
) -> tuple[Importance, ...]:
    """The importance of the hyperparameters of each submission, by its name."""
    own: dict[str, list[Trial]] = {}
    for trial in trials:
        own.setdefault(trial.submission, []).append(trial)
    return tuple(of(name, points(own[name], targets, mode, by)) for name in sorted(own))


def to_json(found: Sequence[Importance]) -> dict:
    """{submission: what is known of its hyperparameters}."""
    return {one.submission: one.to_json() for one in found}


def of(submission: str, found: Points, seed: int = 0) -> Importance:
    """The importance of the hyperparameters of these points; `seed` is of the permutations."""
    telling = [
        w for w, good_P in enumerate(found.good_WP) if np.unique(good_P[~np.isnan(good_P)]).size > 1
    ]
    if found.size < _FEWEST or not found.names or not telling:
        return Importance(submission, found, (), {}, None, None)
    order_NP = _permutations(found.group_P, np.random.default_rng(seed))
    each = [_correlations(found, w, order_NP) for w in telling]
    rho_WK = np.array([rho_K for rho_K, _ in each])
    chance_NWK = np.stack([chance_NK for _, chance_NK in each], axis=1)
    # A hyperparameter that did not vary on a workload says nothing there.
    with np.errstate(invalid="ignore"):
        num_K = np.maximum((~np.isnan(rho_WK)).sum(axis=0), 1)
        rho_K, chance_NK = (np.nansum(v, axis=-2) / num_K for v in (rho_WK, chance_NWK))
    pooled = _Family.of(rho_K, chance_NK)
    alone = _Family.of(rho_WK.ravel(), chance_NWK.reshape(len(order_NP), -1))
    effects = _effects(found, pooled.intervals(rho_K))
    width = rho_WK.shape[1]
    intervals = alone.intervals(rho_WK.ravel())
    return Importance(
        submission=submission,
        points=found,
        effects=effects,
        by_workload={
            found.workloads[w]: _effects(found, intervals[i * width : (i + 1) * width])
            for i, w in enumerate(telling)
        },
        visible=pooled.visible(),
        more_points=_more_points(found.size, effects, pooled),
    )


@dataclass(frozen=True, eq=False)
class _Family:
    """K correlations whose intervals hold together.

    quantile: in standard errors. size_K: of as many independent points chance has the same spread.
    """

    quantile: float
    size_K: np.ndarray

    @classmethod
    def of(cls, rho_K: np.ndarray, chance_NK: np.ndarray) -> _Family:
        """The family of correlations that N permutations left by chance."""
        spread_K = np.sqrt(np.square(np.nan_to_num(chance_NK)).mean(axis=0))
        with np.errstate(divide="ignore"):
            size_K = np.where(spread_K > TIE, 1 + 1 / np.square(spread_K), 0.0)
        # Of the trials as they are, too: without them a test would find too much.
        greatest_N = np.abs(_standardized(np.concatenate([chance_NK, rho_K[None]]), size_K)).max(
            axis=1
        )
        rank = math.ceil(COVERAGE * len(greatest_N)) - 1
        return cls(float(np.sort(greatest_N)[rank]), size_K)

    def intervals(self, rho_K: np.ndarray) -> list[Correlation]:
        """The correlations with their limits."""
        rho_K = np.nan_to_num(rho_K)
        z_K, reach_K = np.arctanh(_within(rho_K)), self.quantile * _errors(rho_K, self.size_K)
        # Past 1 there is no rho; an interval without a finite reach tells nothing.
        return [
            Correlation(float(rho), float(np.tanh(z - reach)), float(np.tanh(z + reach)))
            if math.isfinite(reach)
            else Correlation(float(rho), None, None)
            for rho, z, reach in zip(rho_K, z_K, reach_K, strict=True)
        ]

    @property
    def size(self) -> float | None:
        """The median of the sizes; None where chance has no spread."""
        sizes = self.size_K[self.size_K > 0]
        return float(np.median(sizes)) if sizes.size else None

    def visible(self) -> float | None:
        """The least |rho| whose interval would exclude 0; None where even 1 does not."""
        if self.size is None:
            return None
        rho_R = np.linspace(0.0, _MOST, 1000)
        is_seen_R = _standardized(rho_R, np.array(self.size)) > self.quantile + TIE
        return float(rho_R[is_seen_R.argmax()]) if is_seen_R.any() else None


def _permutations(group_P: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Whose result each point gets, (N, P): those of a group change places."""
    order_NP = np.tile(np.arange(len(group_P)), (_NUM_PERMUTATIONS, 1))
    for group in np.unique(group_P):
        of_group = np.flatnonzero(group_P == group)
        order_NP[:, of_group] = rng.permuted(order_NP[:, of_group], axis=1)
    return order_NP


def _correlations(
    found: Points, workload: int, order_NP: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Trend, then peak, of each hyperparameter on a workload: as they are, (K,), and as chance has
    them, (N, K)."""
    good_P = found.good_WP[workload]
    # Points of a group are known on the same workloads, so a permutation leaves this as it is.
    is_known_P = ~np.isnan(good_P)
    rank_HP = np.array([_ranks(value_P[is_known_P]) for value_P in found.value_HP])
    near_HP = np.array([_ranks(-np.abs(rank_P)) for rank_P in rank_HP])
    rank_KP, rank_P = np.zeros((2 * len(rank_HP), found.size)), np.zeros(found.size)
    rank_KP[:, is_known_P] = np.concatenate([rank_HP, near_HP])
    # Rounded: means of other trials that are equal may differ in the last bits.
    rank_P[is_known_P] = _ranks(good_P[is_known_P].round(9))
    scale_K = np.sqrt(np.square(rank_KP).sum(axis=1) * np.square(rank_P).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        unit_KP = np.where(scale_K[:, None] > TIE, rank_KP / scale_K[:, None], np.nan)
    return unit_KP @ rank_P, rank_P[order_NP] @ unit_KP.T


def _ranks(values_P: np.ndarray) -> np.ndarray:
    """Ranks about 0, equals sharing their middle one. (`correlation.beaten` takes what differs by
    less than 1e-9 for equal, as values of a hyperparameter well may.)"""
    _, place_P, counts = np.unique(values_P, return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - (counts - 1) / 2
    return (middles - (len(values_P) + 1) / 2)[place_P]


def _effects(found: Points, all_K: Sequence[Correlation]) -> tuple[Effect, ...]:
    """The hyperparameters, the strongest first."""
    effects = []
    for h, name in enumerate(found.names):
        # The middle of two values is in neither.
        has_middle = np.unique(found.value_HP[h]).size > 2
        peak = all_K[len(found.names) + h] if has_middle else None
        effects.append(Effect(name, all_K[h], peak))
    return tuple(sorted(effects, key=lambda e: (-round(abs(e.strongest.rho), 9), e.hyperparameter)))


def _more_points(num: int, effects: Sequence[Effect], family: _Family) -> int | None:
    """Points beyond `num` for the strongest effect, by the same standard error."""
    rho = float(_within(abs(effects[0].strongest.rho)))
    if effects[0].is_found or rho < TIE or family.size is None:
        return None
    needed = 3 + (1 + rho**2 / 2) * ((family.quantile + _TELLING) / math.atanh(rho)) ** 2
    # Results on several workloads stand for more points than there are, and would go on to do so.
    return max(1, math.ceil(num * needed / family.size) - num)


def _within(rho: np.ndarray | float) -> np.ndarray | float:
    return np.clip(rho, -_MOST, _MOST)


def _errors(rho: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Standard error of a correlation's inverse hyperbolic tangent; infinite of three points."""
    with np.errstate(divide="ignore"):
        return np.where(size > 3, np.sqrt((1 + rho**2 / 2) / np.maximum(size - 3, TIE)), np.inf)


def _standardized(rho: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Correlations in standard errors."""
    rho = np.nan_to_num(rho)
    return np.arctanh(_within(rho)) / _errors(rho, size)
