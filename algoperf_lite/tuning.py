"""Rulesets, seeds, search spaces and the quasi-random points drawn from them."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SearchSpace = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
SCHEDULE_PREFIX = "schedule_"  # of what `--schedules=uba:phi=search` adds to a space: schedule_phi
_TUNING_STREAM = 0x7E57  # keeps the points' random stream apart from the trials' seeds


@dataclasses.dataclass(frozen=True)
class Ruleset:
    """The number of runs of a submission per workload, and their share of the budget.

    Attributes:
      name: "external" (points drawn from the search space) or "self" (the submission's own point).
      num_studies: independent repetitions.
      num_trials: points per study, of which the best counts.
      slack: budget as a multiple of the reference's time for `step_hint` steps.
    """

    name: str
    num_studies: int
    num_trials: int
    slack: float


# Seeds are hashed together and not added up: trial 1 of experiment 0 and trial 0 of experiment 1
# must not share their random numbers.


def trial_seed(experiment_seed: int, study: int, trial: int) -> int:
    """Seed in [0, 2^32) of one trial; equal for all submissions, so that comparisons are paired."""
    return int(np.random.SeedSequence([experiment_seed, study, trial]).generate_state(1)[0])


def member_seed(trial_seed: int, member: int) -> int:
    """Seed in [0, 2^32) of one member of a trial that is a population."""
    return int(np.random.SeedSequence([trial_seed, member]).generate_state(1)[0])


def point(
    search_space: SearchSpace, num_trials: int, experiment_seed: int, study: int, trial: int
) -> dict[str, Any]:
    """Hyperparameters of one trial; trials count from 1, as AlgoPerf's directories do.

    A list of points is taken in order, the same in each study. A space is sampled with a scrambled
    Halton sequence (Owen 2017, arXiv 1706.02808) on the first primes, scrambled anew per study.

    Raises ValueError where the space is malformed or a list is too short.
    """
    check_search_space(search_space)
    if not isinstance(search_space, Mapping):
        if len(search_space) < num_trials:
            raise ValueError(
                f"search_space lists {len(search_space)} points but the ruleset asks for "
                f"{num_trials} trials; add points or lower --num_tuning_trials"
            )
        return dict(search_space[trial - 1])
    seed = np.random.SeedSequence([experiment_seed, study, _TUNING_STREAM])
    # On the first primes, unlike AlgoPerf's sequence on bases near 1,000, five points do cover
    # four dimensions evenly.
    (child,) = seed.spawn(1)  # as scipy's sampler takes it: points stay what they were
    units = scrambled_halton(len(search_space), trial - 1, np.random.default_rng(child))
    names = ordered(search_space)
    return {name: value_at(search_space[name], u) for name, u in zip(names, units, strict=True)}


def ordered(space: Mapping[str, Any]) -> list[str]:
    """The names of a space's dimensions, in the order in which they are drawn.

    Those of a schedule come last. The sequence gives earlier dimensions the same values, whatever
    follows them, so a submission's own points are the same on every schedule.
    """
    # Sorted: the order of keys in a file must not change the points.
    return sorted(space, key=lambda name: (name.startswith(SCHEDULE_PREFIX), name))


def with_schedule(space: SearchSpace, added: Mapping[str, Any], submission: str) -> SearchSpace:
    """The space of a submission, and in it the dimensions that its schedule adds.

    Raises ValueError where there is no space to add to, or where a name is in both.
    """
    if not added:
        return space
    names = ", ".join(added)
    if not isinstance(space, Mapping):
        got = "no search_space" if space is None else "a list of points as search_space"
        raise ValueError(
            f"submission {submission!r} has {got}, to which its schedule cannot add {names}; give "
            "these parameters numbers, or the submission a dict of dimensions"
        )
    for name in sorted(space.keys() & added.keys()):
        raise ValueError(
            f"submission {submission!r} has a hyperparameter {name!r}, which is also that of its "
            "schedule; rename it in the file"
        )
    return {**space, **added}


def scrambled_halton(num_dimensions: int, index: int, rng: np.random.Generator) -> list[float]:
    """One point in [0, 1)^D of a Halton sequence on the first primes, by its index from 0.

    The digits of the index are permuted, each place anew: Owen (2017), algorithm 1. It is the
    sequence of `scipy.stats.qmc.Halton`, which takes a second or more to import, and whose use of
    `rng` is not the same in all its versions.
    """
    numbers = itertools.count(2)
    primes = (n for n in numbers if all(n % divisor for divisor in range(2, math.isqrt(n) + 1)))
    units = []
    for base in itertools.islice(primes, num_dimensions):
        unit, rest, weight = 0.0, index, 1.0 / base
        # As many places as a float64 has.
        for _ in range(math.ceil(54 / math.log2(base)) - 1):
            permutation = np.arange(base)
            rng.shuffle(permutation)
            unit += int(permutation[rest % base]) * weight
            rest, weight = rest // base, weight / base
        units.append(unit)
    return units


def value_at(dimension: Mapping[str, Any], unit: float) -> Any:
    """The value of a dimension at `unit` in [0, 1), as in AlgoPerf's `halton.py`."""
    if "feasible_points" in dimension:
        points = dimension["feasible_points"]
        # The product may be rounded up to the length, which is no index.
        return points[min(int(unit * len(points)), len(points) - 1)]
    low, high = float(dimension["min"]), float(dimension["max"])
    if dimension["scaling"] == "linear":
        return low + float(unit) * (high - low)
    return low * math.exp(float(unit) * math.log(high / low))


def check_search_space(space: SearchSpace) -> None:
    """Raises ValueError unless `space` is in one of AlgoPerf's two JSON forms."""
    if isinstance(space, Mapping) and space:
        for name, dimension in space.items():
            _check_dimension(name, dimension)
    elif isinstance(space, Sequence) and not isinstance(space, str) and space:
        keys = [sorted(entry) if isinstance(entry, Mapping) else None for entry in space]
        if None in keys or any(names != keys[0] for names in keys):
            raise ValueError(
                "search_space is a list whose entries are not dicts with the same names; "
                "give every point as {name: value} with all names"
            )
    else:
        raise ValueError(
            f"search_space is {space!r}; expected a dict of dimensions, "
            "such as {'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'}}, "
            "or a list of points"
        )


def _check_dimension(name: str, dimension: Any) -> None:
    place = f"search_space[{name!r}]"
    if not isinstance(dimension, Mapping):
        raise ValueError(
            f"{place} is {dimension!r}; expected {{'min', 'max', 'scaling'}} "
            "or {'feasible_points': [...]}"
        )
    if "feasible_points" in dimension:
        points = dimension["feasible_points"]
        if not isinstance(points, Sequence) or isinstance(points, str) or not points:
            raise ValueError(f"{place}['feasible_points'] is {points!r}; expected a list of values")
        return
    low, high, scaling = (dimension.get(key) for key in ("min", "max", "scaling"))
    if not all(is_finite_number(bound) for bound in (low, high)):
        raise ValueError(f"{place} has min {low!r} and max {high!r}; expected two finite numbers")
    if low > high:
        raise ValueError(f"{place} has min {low} above max {high}; swap them")
    if scaling not in ("log", "linear"):
        raise ValueError(f"{place} has scaling {scaling!r}; expected 'log' or 'linear'")
    if scaling == "log" and low <= 0:
        raise ValueError(f"{place} has scaling 'log' and min {low}; the minimum must be above 0")


def is_finite_number(value: Any) -> bool:
    """Whether `value` is an int or a float, neither infinite nor NaN."""
    # JSON's true is an int to Python, and no bound that anybody means.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
