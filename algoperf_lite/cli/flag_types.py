"""Types of flags: from a word on the command line to a value, or one sentence about it."""

import argparse
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from algoperf_lite import did_you_mean

Value = TypeVar("Value")


def optional(group: Any) -> Callable[..., Any]:
    """What adds flags to a group or parser. One that is not given stays out of what is parsed, so
    that the interface alone has defaults."""
    return functools.partial(group.add_argument, default=argparse.SUPPRESS)


def checked(convert: Callable[[str], Value]) -> Callable[[str], Value]:
    """The same function as a flag's type: argparse shows the sentence of its ValueError, where it
    would otherwise say "invalid value" and no more."""

    def convert_or_say(value: str) -> Value:
        try:
            return convert(value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert_or_say


def one_of(what: str, valid: Sequence[str]) -> Callable[[str], str]:
    """One of several names; `what` they are is for the message."""
    return checked(lambda value: did_you_mean.require(value, valid, what))


def at_least(least: int) -> Callable[[str], int]:
    """A whole number from `least` on."""

    def convert(value: str) -> int:
        # `int` would also take "1_000" and " 7", which are typing mistakes here.
        digits = value.removeprefix("-")
        if not digits.isdecimal() or int(value) < least:
            raise ValueError(f"got {value!r}; expected a whole number >= {least}")
        return int(value)

    return checked(convert)


@checked
def listed(value: str) -> list[str]:
    """Names separated by commas, each once."""
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts:
        raise ValueError("got an empty list; expected names separated by commas")
    repeated = {part for part in parts if parts.count(part) > 1}
    if repeated:
        raise ValueError(f"{', '.join(sorted(repeated))} is listed twice")
    return parts


@checked
def schedules(value: str) -> list[str]:
    """Schedules as text, separated by commas, in one spelling."""
    # Flags are described long before one is parsed, and reading schedules takes a moment.
    from algoperf_lite.schedules import text

    # Once more through the list: two spellings may be of one schedule.
    return listed(",".join(str(text.parse(part)) for part in listed(value)))


@checked
def shares(value: str) -> list[float]:
    """Parts of the step hint, separated by commas, ascending."""
    return sorted({_number(text, "parts of the step hint", above=0.0) for text in listed(value)})


@checked
def part(value: str) -> float:
    """A part of the step hint."""
    return _number(value, "a part of the step hint", above=0.0)


@checked
def share(value: str) -> float:
    """A number from 0 to 1."""
    return _number(value, "a number")


@checked
def population(value: str) -> Any:
    """The rules of a population."""
    from algoperf_lite.population.config import PopulationConfig

    return PopulationConfig.parse(value)


def _number(text: str, what: str, above: float | None = None) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0 or number == above:
        span = "from 0 to 1" if above is None else f"above {above:g}, at most 1, as in '0.25,1'"
        raise ValueError(f"got {text!r}; expected {what} {span}")
    return number
