"""The rules of a population, and which submissions can be one, as plain values. Imports no JAX."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from algoperf_lite import did_you_mean, tuning
from algoperf_lite.schedules.text import assignments, number_of, numbers_of

EXPLOITS = ("truncation", "tournament", "t_test")
FITNESS = ("validation", "training_loss")
FACTORS = (0.8, 1.25)
NUM_GENERATIONS = 20  # per step hint, unless said otherwise
PAPER_FACTORS = (0.8, 1.2)  # Jaderberg et al. 2017, arXiv:1711.09846, section 4.1.1
TEXT = "MEMBERS[:ready_interval=20:explore=0.8+1.25:...]"  # the form that `parse` reads


def _whole(text: str) -> int:
    """Like `int`, which alone would also take "1_0" and " 10"."""
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


# {key in text: (field, from text to value, what it is, an example)}
_KEYS: dict[str, tuple[str, Callable[[str], Any], str, str]] = {
    "ready_interval": ("ready_interval", _whole, "a whole number of steps", "20"),
    "burn_in": ("burn_in", _whole, "a whole number of steps", "100"),
    "exploit": ("exploit", str, "a name", EXPLOITS[0]),
    # "factors" in records; people say what they are for.
    "explore": ("factors", numbers_of, "numbers joined by +", "0.8+1.25"),
    "resample_probability": ("resample_probability", number_of, "a number", "0.25"),
    "fitness": ("fitness", str, "a name", FITNESS[1]),
}


@dataclasses.dataclass(frozen=True)
class PopulationConfig:
    """How a population evolves.

    Attributes:
      size: number of members.
      ready_interval: steps between generations; None for a part of the step hint, see
        `for_horizon`.
      burn_in: steps before the first exploit; earlier generations are measured only.
      exploit: "truncation", "tournament" or "t_test", see `evolution.exploit`.
      bottom, top: parts of the ranking that truncation replaces and copies from.
      factors: of which a perturbation picks one. Unlike the paper's, the default does not
        drift: the mean of the logarithms is 0, not -0.02 per exploit.
      resample_probability: of drawing a copied value anew from the space instead.
      fitness: what members are ranked by, the validation metric or the loss on fresh batches.
    """

    size: int
    ready_interval: int | None = None
    burn_in: int = 0
    exploit: str = "truncation"
    bottom: float = 0.2
    top: float = 0.2
    factors: tuple[float, ...] = FACTORS  # any number of them, each as likely
    resample_probability: float = 0.25
    fitness: str = "validation"

    def __post_init__(self):
        did_you_mean.require(self.exploit, EXPLOITS, "exploit")
        did_you_mean.require(self.fitness, FITNESS, "fitness")
        if self.size < 2:
            raise ValueError(f"population is {self.size}; it needs at least 2 members")
        if self.ready_interval is not None and self.ready_interval < 1:
            raise ValueError(f"ready_interval is {self.ready_interval}; give at least 1 step")
        if self.burn_in < 0:
            raise ValueError(f"burn_in is {self.burn_in}; give a number of steps from 0")
        for name, part in (("bottom", self.bottom), ("top", self.top)):
            if not 0 < part <= 0.5:
                raise ValueError(f"{name} is {part}; give a part of the population in (0, 0.5]")
        if not self.factors or not all(math.isfinite(f) and f > 0 for f in self.factors):
            raise ValueError(f"factors are {self.factors}; give numbers above 0, such as 0.8, 1.25")
        if not 0 <= self.resample_probability <= 1:
            raise ValueError(
                f"resample_probability is {self.resample_probability}; give a number from 0 to 1"
            )

    @classmethod
    def parse(cls, text: str) -> "PopulationConfig":
        """The rules in a text such as `16:ready_interval=20:exploit=truncation:explore=0.8+1.25`.

        It has the spelling of schedules: members first, then `key=value` for what differs from the
        defaults; several numbers are joined by "+".
        Raises ValueError with the nearest valid key for an unknown one.
        """
        members, *words = text.split(":")
        if not members.isdecimal():
            raise ValueError(
                f"got {members!r} as members of a population, expected a whole number; give {TEXT}"
            )
        fields = {}
        found = assignments(words, _KEYS, "a population", f"population {text!r}")
        for key, value in found.items():
            field, convert, described, example = _KEYS[key]
            try:
                fields[field] = convert(value)
            except ValueError:
                raise ValueError(
                    f"{key} of a population is {value!r}, expected {described}; give for example "
                    f"'{members}:{key}={example}'"
                ) from None
        return cls(int(members), **fields)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "PopulationConfig":
        return cls(**{**content, "factors": tuple(content["factors"])})

    def for_horizon(self, step_hint: int) -> "PopulationConfig":
        """The same with a ready interval of its own: unless it has one, `1 / NUM_GENERATIONS` of
        the step hint."""
        if self.ready_interval is not None:
            return self
        return dataclasses.replace(self, ready_interval=max(1, step_hint // NUM_GENERATIONS))


def check_budget(rules: PopulationConfig, num_steps: int) -> None:
    """Raises ValueError, one sentence, where no exploit would come before the end of training."""
    ready = ready_steps(rules, num_steps)
    if not ready:
        raise ValueError(
            f"ready_interval is {rules.ready_interval} steps but training has {num_steps}: nobody "
            "would ever copy anybody; lower ready_interval"
        )
    if ready[-1] < rules.burn_in:
        raise ValueError(
            f"burn_in is {rules.burn_in} steps but the last generation within training comes at "
            f"step {ready[-1]}: nobody would ever copy anybody; lower burn_in"
        )


def check_space(space: tuning.SearchSpace, submission: str, shaping: Iterable[str] = ()) -> None:
    """Raises ValueError, one sentence, where members cannot share one program or stay in bounds.

    Args:
      shaping: names of hyperparameters that must be known to compile, such as a width.
    """
    if not isinstance(space, Mapping):
        got = "no search_space" if space is None else "a list of points as search_space"
        raise ValueError(
            f"submission {submission!r} has {got}; a population needs a dict with bounds, such as "
            "{'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'}}"
        )
    try:
        tuning.check_search_space(space)
    except ValueError as error:
        raise ValueError(f"submission {submission!r} cannot be a population: {error}") from None
    place = f"submission {submission!r} cannot be a population: search_space"
    for name in sorted(set(shaping) & set(space)):
        raise ValueError(
            f"{place}[{name!r}] changes shapes or decides an `if`, and members share one compiled "
            "program; take it out of the space"
        )
    for name, dimension in space.items():
        for value in dimension.get("feasible_points", ()):
            if not tuning.is_finite_number(value):
                raise ValueError(
                    f"{place}[{name!r}] has the feasible point {value!r}, and only numbers can "
                    "change inside one compiled program; take it out of the space"
                )


def uniform(space: Mapping[str, Any]) -> dict[str, Any]:
    """The space with one type for all feasible points of a dimension, as one program wants it."""
    return {name: _uniform(dimension) for name, dimension in space.items()}


def _uniform(dimension: Mapping[str, Any]) -> Mapping[str, Any]:
    values = dimension.get("feasible_points", ())
    if all(isinstance(value, int) for value in values):
        return dimension
    return {"feasible_points": [float(value) for value in values]}


def ready_steps(rules: PopulationConfig, num_steps: int) -> range:
    """Steps of the generations within training; its start and its end are not among them."""
    return range(rules.ready_interval, num_steps, rules.ready_interval)
