"""The lineage of a population on disk, one generation a line, and the line that leads to a member.

`lineage.jsonl`, beside a trial's other logs: {"generation", "step", "fitness": [...], "parents":
[...], "hyperparameters": {name: [...]}}, lists by member. Fitness is lower for better and null
where a member diverged; floats are written with all their digits, so they are read as they were.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite import tuning
from algoperf_lite.population.evolution import Generation, Point
from algoperf_lite.storage import atomic
from scoring.logs.format import LINEAGE

FILE = LINEAGE


def append(path: Path, generation: Generation) -> None:
    """Adds a generation to a file that has no torn last line, see `write`."""
    atomic.append_text(path, _line(generation))


def write(path: Path, lineage: Sequence[Generation]) -> None:
    """Replaces the file atomically: at the start, and to resume from an earlier generation."""
    atomic.write_text(path, "".join(map(_line, lineage)))


def read(path: Path) -> tuple[Generation, ...]:
    """The generations on disk; a torn last line is left out.

    Raises ValueError where the file is no lineage or has no complete generation.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last line end is torn
    except OSError as error:
        raise ValueError(f"cannot read the lineage {str(path)!r}: {error.strerror}") from None
    if not lines:
        raise ValueError(f"{str(path)!r} holds no complete generation of a population")
    # The file may have been edited, or be another program's: every value is checked.
    lineage = []
    for number, line in enumerate(lines):
        try:
            lineage.append(_generation(json.loads(line), number))
            _expect(len(lineage[-1].points) == len(lineage[0].points), "a member came or went")
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
            raise ValueError(
                f"{str(path)!r} is not a lineage: line {number + 1} is no generation {number} "
                f"({error!r:.200}); give the lineage.jsonl of a population"
            ) from None
    return tuple(lineage)


def winner(lineage: Sequence[Generation]) -> int:
    """The member with the best fitness in the last generation, of equals the lowest number.

    Raises ValueError where none has one.
    """
    fitness = lineage[-1].fitness
    measured = [member for member, value in enumerate(fitness) if value is not None]
    if not measured:
        raise ValueError(f"no member of generation {lineage[-1].number} has a fitness: none won")
    return min(measured, key=lambda member: fitness[member])


def ancestry(lineage: Sequence[Generation], member: int) -> tuple[tuple[int, Point], ...]:
    """(first step, hyperparameters) of each stretch of training that led to a member.

    The member is meant as the last generation measured it, before it copied another. A stretch
    lasts until the next one's first step, the last one to the end of training.
    """
    if len(lineage) == 1:
        return ((lineage[0].step, lineage[0].points[member]),)
    stretches = []
    for past in reversed(lineage[:-1]):
        stretches.append((past.step, past.points[member]))
        member = past.parents[member]
    stretches.reverse()
    # Members that copied nobody trained on at the same point: one stretch, not two.
    changed = [True] + [a[1] != b[1] for a, b in zip(stretches, stretches[1:], strict=False)]
    return tuple(stretch for stretch, is_new in zip(stretches, changed, strict=True) if is_new)


def _line(generation: Generation) -> str:
    names = sorted(generation.points[0])
    content = {
        "generation": generation.number,
        "step": generation.step,
        "fitness": generation.fitness,
        "parents": generation.parents,
        "hyperparameters": {name: [point[name] for point in generation.points] for name in names},
    }
    return json.dumps(content, allow_nan=False) + "\n"


def _generation(content: Mapping[str, Any], number: int) -> Generation:
    """The generation of a line; raises an error that says what is wrong with it."""
    fitness, parents = tuple(content["fitness"]), tuple(content["parents"])
    columns = content["hyperparameters"]
    members = range(len(parents))
    _expect(content["generation"] == number, f"it is numbered {content['generation']!r}")
    _expect(type(content["step"]) is int, f"its step is {content['step']!r}")
    _expect(all(type(p) is int and p in members for p in parents), f"parents are {parents!r}")
    for name, row in {"fitness": fitness, **columns}.items():
        _expect(len(row) == len(parents) > 0, f"{name} has {len(row)} values")
    for name, row in {"fitness": [f for f in fitness if f is not None], **columns}.items():
        _expect(all(map(tuning.is_finite_number, row)), f"{name} has {row!r}")
    points = tuple({name: columns[name][member] for name in columns} for member in members)
    return Generation(number, content["step"], fitness, parents, points)


def _expect(is_right: bool, problem: str) -> None:
    if not is_right:
        raise ValueError(problem)
