"""Population based training (PBT): members copy each other, and hyperparameters move.

Jaderberg et al. 2017 (arXiv:1711.09846), in its synchronous form: every `ready_interval` steps all
members are measured at once, the worse ones copy weights and hyperparameters of better ones
(exploit), and what was copied is changed (explore). Fitness is a loss: lower is better, and
anything that is not finite is a member that diverged.
"""

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from algoperf_lite import tuning
from algoperf_lite.population.config import PopulationConfig

Point = Mapping[str, Any]
SIGNIFICANCE = 0.05
NUM_SCORES = 10  # that the t-test looks at, as in the paper's section 4.1.1
_EXPLORE_STREAM = 0x9B7  # keeps generations' random streams apart from points' and trials' seeds


@dataclasses.dataclass(frozen=True)
class Generation:
    """M members at one moment of their training.

    Attributes:
      number: 0 is the start, before any training.
      step: at which it was measured.
      fitness: (M,) of the members that arrived here; lower is better, None where one diverged.
      parents: (M,) whom each member goes on from, itself or the member that it copies.
      points: (M,) hyperparameters that members train with from here on.
    """

    number: int
    step: int
    fitness: tuple[float | None, ...]
    parents: tuple[int, ...]
    points: tuple[Point, ...]


def initial(space: Mapping[str, Any], rules: PopulationConfig, seed: int) -> Generation:
    """Generation 0: quasi-random points, as a study of `size` trials would have them."""
    members = range(rules.size)
    points = tuple(tuning.point(space, rules.size, seed, 0, m + 1) for m in members)
    return Generation(0, 0, (None,) * rules.size, tuple(members), points)


def leader(generation: Generation) -> int:
    """The member that goes on from the best fitness, if there is one without changed values; 0
    where nobody was measured."""

    def rank(member: int) -> tuple[float, bool, int]:
        # Fitness is of the members that arrived; what goes on from a place is its parent's.
        parent = generation.parents[member]
        fitness = generation.fitness[parent]
        return (math.inf if fitness is None else fitness, parent != member, member)

    return min(range(len(generation.parents)), key=rank)


def unchanged(
    lineage: Sequence[Generation], step: int, fitness: Sequence[float | None]
) -> Generation:
    """The next generation where nobody copies: during burn-in, and at the end of training."""
    points = lineage[-1].points
    assert len(fitness) == len(points), f"{len(fitness)} fitnesses of {len(points)} members"
    measured = tuple(None if f is None or not math.isfinite(f) else float(f) for f in fitness)
    return Generation(len(lineage), step, measured, tuple(range(len(points))), points)


def generation(
    lineage: Sequence[Generation],
    step: int,
    fitness: Sequence[float | None],
    space: Mapping[str, Any],
    rules: PopulationConfig,
    seed: int,
) -> Generation:
    """The next generation; a pure function, so that a lineage is all that resuming needs.

    Args:
      lineage: every generation so far, from number 0.
      fitness: (M,) measured at `step`.
      seed: of the trial.
    """
    measured = unchanged(lineage, step, fitness)
    if step < rules.burn_in:
        return measured
    rng = np.random.default_rng(np.random.SeedSequence([seed, _EXPLORE_STREAM, measured.number]))
    parents = exploit(scores(lineage, measured.fitness), rules, rng)
    points = explore(measured.points, parents, space, rules, rng)
    return dataclasses.replace(measured, parents=parents, points=points)


def scores(lineage: Sequence[Generation], fitness: Sequence[float | None]) -> np.ndarray:
    """Each member's last fitnesses, (K, M), newest last; K <= NUM_SCORES, NaN where diverged.

    They follow the weights: what a member had before it copied another is the other's past.
    """
    # Backwards along the parents, so that each column is the past of one set of weights.
    rows_KM = [np.array(fitness, float)]
    slots_M = np.arange(len(fitness))
    for past in reversed(lineage[1:][1 - NUM_SCORES :]):  # the start was not measured
        slots_M = np.array(past.parents)[slots_M]
        rows_KM.append(np.array(past.fitness, float)[slots_M])
    return np.array(rows_KM[::-1])


def exploit(scores_KM: np.ndarray, rules: PopulationConfig, rng: np.random.Generator) -> tuple:
    """Whom each of M members goes on from: (M,) member numbers, its own where it copies nobody.

    truncation: a member at the bottom of the ranking copies any one at its top.
    tournament: each member meets a random other and copies it if that is better.
    t_test: each meets a random other and copies it if its mean is better and Welch's t-test on
      the last scores says so at 5%; with fewer than two scores nobody copies.

    Under all three a diverged member copies a finite one, from the top of the ranking unless it
    met another, and is itself copied by nobody. Where all diverged, nobody copies.
    """
    # NaN for statistics, which leave it out; infinity for rankings, which put it last.
    scores_KM = np.where(np.isfinite(scores_KM), scores_KM, np.nan)
    losses_M = np.where(np.isnan(scores_KM[-1]), np.inf, scores_KM[-1])
    parents_M = _STRATEGIES[rules.exploit](scores_KM, losses_M, rules, rng)
    top = _top(losses_M, rules)
    for member in np.flatnonzero(np.isinf(losses_M[parents_M])):
        parents_M[member] = rng.choice(top) if top.size else member
    return tuple(parents_M.tolist())


def explore(
    points: Sequence[Point],
    parents: Sequence[int],
    space: Mapping[str, Any],
    rules: PopulationConfig,
    rng: np.random.Generator,
) -> tuple[Point, ...]:
    """(M,) hyperparameters after exploit: the parent's, perturbed where that is another member."""
    return tuple(
        points[m] if parent == m else perturbed(points[parent], space, rules, rng)
        for m, parent in enumerate(parents)
    )


def perturbed(
    point: Point, space: Mapping[str, Any], rules: PopulationConfig, rng: np.random.Generator
) -> dict[str, Any]:
    """The point with each value of the space multiplied by a random factor or drawn anew.

    A number of `feasible_points` moves to its neighbour instead, and an integer by at least 1.
    Values stay within the space. A 0 stays 0 until it is drawn anew.
    """
    moved = dict(point)
    for name in tuning.ordered(space):
        # All three are drawn whichever is used, so that one choice leaves the later ones alone.
        is_new, factor, unit = rng.random(), float(rng.choice(rules.factors)), rng.random()
        if is_new < rules.resample_probability:
            value = tuning.value_at(space[name], unit)
        else:
            value = _multiplied(point[name], factor, space[name])
        moved[name] = _inside(value, space[name], isinstance(point[name], int))
    return moved


def _truncation(scores_KM, losses_M, rules, rng) -> np.ndarray:
    parents_M, top = np.arange(len(losses_M)), _top(losses_M, rules)
    if top.size:
        count = _count(rules.bottom, len(losses_M))
        parents_M[_ranking(losses_M)[-count:]] = rng.choice(top, count)
    return parents_M


def _tournament(scores_KM, losses_M, rules, rng) -> np.ndarray:
    others_M = _opponents(len(losses_M), rng)
    return np.where(losses_M[others_M] < losses_M, others_M, np.arange(len(losses_M)))


def _t_test(scores_KM, losses_M, rules, rng) -> np.ndarray:
    others_M, own_M = _opponents(len(losses_M), rng), np.arange(len(losses_M))
    import scipy.stats  # takes a second to import, which the other strategies need not wait for

    with warnings.catch_warnings():  # of samples too small or too even to judge: p is NaN
        warnings.simplefilter("ignore", RuntimeWarning)
        test = scipy.stats.ttest_ind(
            scores_KM, scores_KM[:, others_M], equal_var=False, nan_policy="omit"
        )
    better_M = np.isfinite(losses_M[others_M]) & (test.statistic > 0)  # the own loss is larger
    return np.where(better_M & (test.pvalue < SIGNIFICANCE), others_M, own_M)


_STRATEGIES = {"truncation": _truncation, "tournament": _tournament, "t_test": _t_test}


def _ranking(losses_M: np.ndarray) -> np.ndarray:
    """Members from best to worst; of equals, the lower number first."""
    return np.argsort(losses_M, kind="stable")


def _top(losses_M: np.ndarray, rules: PopulationConfig) -> np.ndarray:
    """Members that may be copied."""
    best = _ranking(losses_M)[: _count(rules.top, len(losses_M))]
    return best[np.isfinite(losses_M[best])]


def _count(part: float, size: int) -> int:
    """Members in a part of the population: rounded up, so that there is one, to half at most."""
    # A fifth of ten is 2, although 0.2 * 10 may be a little more in binary.
    return min(math.ceil(part * size - 1e-9), size // 2)


def _opponents(size: int, rng: np.random.Generator) -> np.ndarray:
    """For each member another one, all others being as likely."""
    return (np.arange(size) + rng.integers(1, size, size)) % size


def _multiplied(value: Any, factor: float, dimension: Mapping[str, Any]) -> Any:
    """The value moved up or down, perhaps out of bounds."""
    direction = (factor > 1) - (factor < 1)
    if "feasible_points" in dimension:
        values = sorted(set(dimension["feasible_points"]))
        place = int(np.argmin([abs(other - value) for other in values])) + direction
        return values[min(max(place, 0), len(values) - 1)]
    if not isinstance(value, int) or round(value * factor) != value:
        return value * factor
    # A small integer would be rounded back to itself and never move.
    return value + (direction if value >= 0 else -direction)


def _inside(value: Any, dimension: Mapping[str, Any], is_integer: bool) -> Any:
    """The value within the bounds, as an integer where it was one."""
    if "feasible_points" in dimension:
        return value
    low, high = dimension["min"], dimension["max"]
    if is_integer:
        return min(max(round(value), math.ceil(low)), math.floor(high))
    return min(max(float(value), float(low)), float(high))
