"""Schedules as text, `name:parameter=value:...`, understood without importing JAX.

Names, parameters and ranges are those of `signatures`. In place of a number, `search` makes a
parameter a hyperparameter.
"""

import dataclasses
import math
import numbers
from collections.abc import Callable, Collection, Sequence
from typing import Any

from algoperf_lite import did_you_mean, tuning
from algoperf_lite.schedules.signatures import RANGES, TAIL, Parameter, signatures

Value = float | str | tuple[float, ...]
SEARCH = "search"  # in place of a value: a trial's point has it


@dataclasses.dataclass(frozen=True)
class NamedSchedule:
    """A schedule by name, with the parameters that were given, in their order; made by `parse`."""

    name: str
    parameters: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        return ":".join([self.name, *self._assignments()])

    @property
    def label(self) -> str:
        """For tables, legends and names of files: `uba(phi=5)`."""
        inside = ",".join(self._assignments())
        return f"{self.name}({inside})" if inside else self.name

    @property
    def is_horizon_aware(self) -> bool:
        """Whether the learning rate depends on when training is to end."""
        returns = signatures()[self.name].returns
        return "decay" in dict(self.parameters) if returns == "Schedule" else returns != "FlatShape"

    @property
    def search_space(self) -> dict[str, Any]:
        """What is to be searched, in the form of a submission's: {"schedule_phi": {"min": ...}}."""
        known = signatures()[self.name].parameters
        return {
            tuning.SCHEDULE_PREFIX + parameter: dict(known[parameter].searched)
            for parameter, value in self.parameters
            if _is_searched(value)
        }

    def at(self, hyperparameters: Any) -> "NamedSchedule":
        """The schedule at a point: what is searched has the values of its hyperparameters, which
        may be traced arrays. Raises ValueError where the point lacks one."""

        def value_at(parameter: str) -> Any:
            name = tuning.SCHEDULE_PREFIX + parameter
            if not hasattr(hyperparameters, name):
                raise ValueError(
                    f"schedule {self} wants a hyperparameter {name}, which the point has not; draw "
                    f"the point from a search space, or give {parameter} a number"
                )
            return getattr(hyperparameters, name)

        found = ((p, value_at(p) if _is_searched(value) else value) for p, value in self.parameters)
        return dataclasses.replace(self, parameters=tuple(found))

    def build(
        self,
        num_steps: Any,
        peak: Any,
        step_hint: Any = None,
        batch_size: Any = None,
        tokens_per_step: Any = None,
        whole: Any = None,
    ) -> Callable[[Any], Any]:
        """The optax schedule; every argument may be a traced array. Loads JAX.

        Args:
          num_steps: the horizon; not read, and may be None, if the schedule is not horizon-aware.
          peak: the highest learning rate.
          step_hint: the workload's; the warmup of a schedule without a horizon is a share of it.
          batch_size: in sequences; only `power` reads it, and `tokens_per_step`.
          whole: steps that `fixed_warmup` is a share of, if not of the horizon.
        Raises ValueError for a number out of range, and where something is left to be searched.
        """
        if self.search_space:
            raise ValueError(f"schedule {self} is to be searched; say `at` which point to build it")
        # A schedule without a horizon still needs a length for its warmup, the same at any budget.
        source = "num_steps" if self.is_horizon_aware else "step_hint"
        horizon = num_steps if self.is_horizon_aware else step_hint
        self._check_positive("peak", peak)
        self._check_positive(source, horizon)
        from algoperf_lite import schedules  # here, since its functions need JAX and text does not

        signature = signatures()[self.name]
        given = {
            name: getattr(schedules, value)() if isinstance(value, str) else value
            for name, value in self.parameters
        }
        rise = given.pop("warmup", signature.default("warmup")) * horizon
        if "fixed_warmup" in given:
            rise = given.pop("fixed_warmup") * (whole or horizon)
        end = given.pop("end", 0.0) * peak
        function = getattr(schedules, self.name)
        if signature.returns != "Schedule":
            return schedules.over(function(**given), horizon, peak, 0.0, end, rise)
        tail = {name: given.pop(name) for name in TAIL if name in given}
        supplied = {
            "peak": peak,
            "warmup_steps": rise,
            "batch_size": batch_size,
            "tokens_per_step": tokens_per_step,
        }
        supplied = {name: supplied[name] for name in sorted(signature.required)}
        for name in sorted(supplied.keys() - {"warmup_steps"}):
            self._check_positive(name, supplied[name])
        schedule = function(**supplied, **given)
        return schedules.cool_down(schedule, horizon, end=end, **tail) if tail else schedule

    def _check_positive(self, name: str, value: Any) -> None:
        """Raises ValueError for None and numbers that are not above 0; arrays may be traced."""
        is_number = isinstance(value, numbers.Real)
        if value is None or (is_number and not 0 < value < math.inf):
            raise ValueError(
                f"schedule {self} got {name}={value}, expected a number above 0; give build its "
                f"{name}"
            )

    def _assignments(self) -> list[str]:
        return [f"{name}={_text(value)}" for name, value in self.parameters]


def parse(text: str) -> NamedSchedule:
    """The schedule that `text` describes; raises ValueError if it describes none.

    `name[:parameter=value]*`; a value is a number, several joined by "+", the name of a shape, or
    "search", which leaves a number to the search space.
    Beside the function's own parameters there are, where they make sense, `warmup` (share of the
    horizon, or of the step hint if there is none; default 0.05) or `fixed_warmup` (share of the
    step hint of the whole budget), and `end` (share of the peak; default 0). A schedule without a
    horizon gets one by `decay`, the share of it that `cool_down` takes.
    """
    name, *words = text.split(":")
    known = {name: found.parameters for name, found in signatures().items() if found.is_schedule}
    parameters = known[did_you_mean.require(name, known, "schedule")]
    given = {
        parameter: _value(name, parameter, parameters[parameter], value)
        for parameter, value in assignments(words, parameters, name, f"schedule {text!r}").items()
    }
    _check_together(name, given)
    return NamedSchedule(name, tuple(given.items()))


def assignments(
    words: Sequence[str], valid: Collection[str], name: str, place: str
) -> dict[str, str]:
    """{parameter: value} of words such as "phi=5", values still as text.

    Args:
      valid: the parameters that `name` takes.
      place: the whole that the words are of, for messages.
    Raises ValueError for a word of another form, an unknown parameter, or one that comes twice.
    """
    given: dict[str, str] = {}
    for word in words:
        parameter, _, value = word.partition("=")
        if not parameter or not value:
            raise ValueError(
                f"got {word!r} in {place}, expected parameter=value; {name} takes "
                f"{', '.join(valid)}"
            )
        did_you_mean.require(parameter, valid, f"parameter of {name}")
        if parameter in given:
            raise ValueError(f"{parameter} is twice in {place}, expected once; remove one")
        given[parameter] = value
    return given


def _value(name: str, parameter: str, known: Parameter, text: str) -> Value:
    if text == SEARCH:
        _check_can_be_searched(name, parameter, known)
        return SEARCH
    if known.kind == "Shape":
        shapes = [
            name for name, s in signatures().items() if s.is_schedule and s.returns == "Shape"
        ]
        return did_you_mean.require(text, shapes, f"{parameter} of {name}")
    described, example, holds = RANGES[known.kind]
    try:
        value = numbers_of(text) if known.kind == "Shares" else number_of(text)
        is_valid = holds(value)
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ValueError(
            f"{parameter} of {name} is {text!r}, expected {described}; give for example "
            f"'{name}:{parameter}={example}'"
        )
    return value


def _check_can_be_searched(name: str, parameter: str, known: Parameter) -> None:
    if known.searched is None:
        others = ", ".join(signatures()[name].searched)
        no_range = "no range to be searched in is known for it"
        why = {"Shape": "it names a shape", "Shares": "it is a list"}.get(known.kind, no_range)
        raise ValueError(
            f"{parameter} of {name} cannot be searched, since {why}; give its value"
            + (f", or search {others}" if others else "")
        )


def _is_searched(value: Any) -> bool:
    # An array, which `at` may have put here, compares with a text element by element.
    return isinstance(value, str) and value == SEARCH


def number_of(text: str) -> float:
    """The finite number that a text is; raises ValueError for any other text."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def numbers_of(text: str) -> tuple[float, ...]:
    """The numbers of a text such as "0.25+0.5"; raises ValueError for any other text."""
    return tuple(map(number_of, text.split("+")))


def _check_together(name: str, given: dict[str, Value]) -> None:
    """Raises ValueError for values that are each in range but do not go together."""
    signature = signatures()[name]
    without_decay = [parameter for parameter in ("cooldown", "end") if parameter in given]
    if without_decay and signature.returns == "Schedule" and "decay" not in given:
        raise ValueError(
            f"{name} has {without_decay[0]} but no decay, expected both, since it never ends "
            f"without a decay; add for example ':decay=0.1'"
        )
    if {"fixed_warmup", "warmup"} <= given.keys():
        raise ValueError(f"{name} has warmup and fixed_warmup, expected one; leave the other out")
    warmup, decay = (given.get(share, signature.default(share)) for share in ("warmup", "decay"))
    warmup = given.get("fixed_warmup", warmup)
    # Of what is searched the largest value counts, since any may be drawn.
    if _is_searched(warmup):
        warmup = signature.parameters["warmup"].searched["max"]
    if _is_searched(decay):
        decay = signature.parameters["decay"].searched["max"]
    if warmup + decay > 1:
        raise ValueError(
            f"warmup {_text(warmup)} and decay {_text(decay)} of {name} add up to more than the "
            f"horizon, expected at most 1; lower one of them"
        )


def _text(value: Value) -> str:
    if isinstance(value, tuple):
        return "+".join(map(_text, value))
    return value if isinstance(value, str) else repr(value).removesuffix(".0")
