"""The lineage of a population: who went on from whom with which hyperparameters.

`lineage.jsonl` lies in the directory of a population's trial, one generation a line: {"generation",
"step", "fitness": [...], "parents": [...], "hyperparameters": {name: [...]}}, lists by member.
Fitness, lower for better, is of the members that arrived at the step, null where one diverged;
parents are whom they go on from, hyperparameters what they train with from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.logs import json_lines
from scoring.logs.json_lines import expect, number, step_of

_MOST_BYTES = 2**26  # far more than a page can draw; files may be a stranger's


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
    found = json_lines.read(path, "generation", _MOST_BYTES, _generation)
    if found is None:
        return None
    steps, fitness, parents, values = zip(*found, strict=True)
    columns = {name: np.array([row[name] for row in values]) for name in values[0]}
    return Lineage(np.array(steps), np.array(fitness), np.array(parents), columns)


_Generation = tuple[int, np.ndarray, np.ndarray, dict]


def _generation(content: Mapping, before: Sequence[_Generation]) -> _Generation:
    """Step, fitness, parents and values of a line; raises an error that says what is wrong."""
    step, parents = step_of(content), content["parents"]
    expect(content["generation"] == len(before), "not the next generation")
    expect(isinstance(parents, list) and len(parents) > 0, "no members")
    expect(all(type(p) is int and 0 <= p < len(parents) for p in parents), "no such parent")
    fitness = [np.nan if value is None else number(value) for value in content["fitness"]]
    values = {
        name: [number(value) for value in row] for name, row in content["hyperparameters"].items()
    }
    expect(all(len(row) == len(parents) for row in (fitness, *values.values())), "members differ")
    for first in before[:1]:
        expect(len(fitness) == len(first[1]), "another number of members")
        expect(values.keys() == first[3].keys(), "other hyperparameters")
    expect(not before or step > before[-1][0], "no later step")
    return step, np.array(fitness), np.array(parents), values
