"""The lineage of a population: who went on from whom with which hyperparameters.

`lineage.jsonl` lies in the directory of a population's trial, one generation a line: {"generation",
"step", "fitness": [...], "parents": [...], "hyperparameters": {name: [...]}}, lists by member.
Fitness, lower for better, is of the members that arrived at the step, null where one diverged;
parents are whom they go on from, hyperparameters what they train with from there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scoring.logs.format import LINEAGE

_MOST_BYTES = 2**26  # far more than a page can draw; files may be a stranger's
_LARGEST = 1e100  # of any number in it: what is drawn is subtracted and multiplied
_NO_LINEAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, eq=False)
class Lineage:
    """G generations of M members."""

    steps_G: np.ndarray
    fitness_GxM: np.ndarray  # NaN where diverged
    parents_GxM: np.ndarray
    values_GxM: Mapping[str, np.ndarray]  # by hyperparameter

    @property
    def winner(self) -> int | None:
        """The member with the best last fitness, of equals the lowest; None where none has one."""
        last_M = self.fitness_GxM[-1]
        return None if np.isnan(last_M).all() else int(np.nanargmin(last_M))

    def line(self, member: int) -> np.ndarray:
        """The members in which the weights of a last member were measured, (G,)."""
        members_G = np.full(len(self.steps_G), member)
        for g in range(len(members_G) - 2, -1, -1):
            members_G[g] = self.parents_GxM[g, members_G[g + 1]]
        return members_G

    def course(self, name: str, member: int) -> np.ndarray:
        """The values that those weights trained with from each generation on, (G,).

        The last is as before it: the member is meant as it was measured, before it copied another.
        """
        members_G = self.line(member)
        until_next_G = self.values_GxM[name][np.arange(len(members_G) - 1), members_G[1:]]
        if not until_next_G.size:
            return self.values_GxM[name][:, member]
        return np.append(until_next_G, until_next_G[-1])


def read(path: str) -> Lineage | None:
    """The lineage without a torn last line, None where there is no file.

    Raises ValueError, one sentence without the path, where it is damaged.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{LINEAGE} cannot be read: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise ValueError(f"{LINEAGE} has more than {_MOST_BYTES // 2**20} MiB and was not read")
    # After the last line end stands what a process that died was writing.
    lines = data.split(b"\n")[:-1]
    if not lines:
        raise ValueError(f"{LINEAGE} holds no complete generation")
    found = []
    for number, line in enumerate(lines):
        try:
            found.append(_generation(json.loads(line), number))
            _expect(found[-1][1].shape == found[0][1].shape, "another number of members")
            _expect(found[-1][3].keys() == found[0][3].keys(), "other hyperparameters")
            _expect(number == 0 or found[-1][0] > found[-2][0], "no later step")
        except _NO_LINEAGE as error:
            problem = f"{type(error).__name__}: {error}"[:120]
            raise ValueError(f"{LINEAGE} is damaged in line {number + 1} ({problem})") from None
    steps, fitness, parents, values = zip(*found, strict=True)
    columns = {name: np.array([row[name] for row in values]) for name in values[0]}
    return Lineage(np.array(steps), np.array(fitness), np.array(parents), columns)


def _generation(content: Mapping, number: int) -> tuple[int, np.ndarray, np.ndarray, dict]:
    """Step, fitness, parents and values of a line; raises an error that says what is wrong."""
    step, parents = content["step"], content["parents"]
    _expect(content["generation"] == number, "not the next generation")
    _expect(type(step) is int and 0 <= step < 2**53, "no step")
    _expect(isinstance(parents, list) and len(parents) > 0, "no members")
    _expect(all(type(p) is int and 0 <= p < len(parents) for p in parents), "no such parent")
    fitness = [np.nan if value is None else _number(value) for value in content["fitness"]]
    values = {
        name: [_number(value) for value in row] for name, row in content["hyperparameters"].items()
    }
    _expect(all(len(row) == len(parents) for row in (fitness, *values.values())), "members differ")
    return step, np.array(fitness), np.array(parents), values


def _number(value: object) -> float:
    is_number = type(value) in (int, float) and -_LARGEST <= value <= _LARGEST
    _expect(is_number, f"{str(value)[:40]!r} is no number that was trained with")
    return float(value)


def _expect(is_right: bool, problem: str) -> None:
    if not is_right:
        raise ValueError(problem)
