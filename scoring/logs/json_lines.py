"""Files of one JSON value a line, which may be a stranger's: read without a torn last line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Line = TypeVar("Line")

# Of any number: what is drawn is subtracted, multiplied and divided.
LARGEST = 1e100
# What a line that is not as the harness writes it makes a parser raise.
_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def read(
    path: str, item: str, most_bytes: int, parse: Callable[[Any, Sequence[Line]], Line]
) -> list[Line] | None:
    """What `parse` makes of each line, None where there is no file.

    Args:
      item: what a line holds, in a word.
      most_bytes: of a file that is read at all.
      parse: gets a line's value and what was made of those before.
    Raises ValueError, one sentence without the path, where the file is damaged.
    """
    name = os.path.basename(path)
    try:
        with open(path, "rb") as file:
            data = file.read(most_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from None
    if len(data) > most_bytes:
        raise ValueError(f"{name} has more than {most_bytes // 2**20} MiB and was not read")
    # After the last line end stands what a process that died was writing.
    lines = data.split(b"\n")[:-1]
    if not lines:
        raise ValueError(f"{name} holds no complete {item}")
    found: list[Line] = []
    for number, line in enumerate(lines):
        try:
            found.append(parse(json.loads(line), found))
        except _DAMAGE as error:
            problem = f"{type(error).__name__}: {error}"[:120]
            raise ValueError(f"{name} is damaged in line {number + 1} ({problem})") from None
    return found


def expect(is_right: bool, problem: str) -> None:
    """Raises ValueError with the problem unless all is right."""
    if not is_right:
        raise ValueError(problem)


def step_of(content: Any) -> int:
    """The step of a line. Raises one of several errors where it has none."""
    step = content["step"]
    expect(type(step) is int and 0 <= step < 2**53, "no step")
    return step


def number(value: object) -> float:
    """A finite number of reasonable size; raises ValueError for anything else."""
    is_number = type(value) in (int, float) and -LARGEST <= value <= LARGEST
    expect(is_number, f"{str(value)[:40]!r} is no number")
    return float(value)
