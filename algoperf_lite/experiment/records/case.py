"""A case: one trial of a pack as its files tell it, and the guard around questions to them."""

import csv
import dataclasses
import functools
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from algoperf_lite.experiment.records.verdict import Problem
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs import origins
from scoring.logs.format import EVALUATIONS, FAILURES, MEASUREMENTS, RECORD

Said = Iterator[tuple[str, str]]  # (kind, what) of problems; see `verdict.Problem`
# What a file that is not as the harness writes it makes a question raise: it may hold anything.
_OTHERWISE = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
    *(RecursionError, MemoryError),  # of text that is nested without end
)


@dataclasses.dataclass(frozen=True)
class Case:
    """One trial.

    Attributes:
      path, place: its folder, here and in the pack.
      submission, study, workload, trial: that it was run as.
      experiment: what the experiment wrote down about itself.
    """

    path: Path
    place: str
    submission: str
    study: int
    workload: str
    trial: int
    experiment: Mapping[str, Any]

    @functools.cached_property
    def record(self) -> dict[str, Any]:
        """What `trial.json` holds."""
        return origins.read_object(self.path / RECORD)

    @functools.cached_property
    def spec(self) -> TrialSpec:
        """The spec of its last attempt. Raises one of many errors where the file is none."""
        number = self.record.get("preemption_count", 0)
        # Written by the process that loaded the submission; without it the trial never got there.
        return TrialSpec.from_json(origins.read_object(self.path / f"flags_{int(number)}.json"))

    @property
    def has_started(self) -> bool:
        """Whether its process came as far as to write down what it was to do; by what there is, as
        the record itself may be made to say otherwise."""
        is_there = self.rows or any(self.path.glob("flags_*.json"))
        return bool(is_there) or self.record.get("status") not in FAILURES

    @functools.cached_property
    def rows(self) -> list[dict[str, str]]:
        """Evaluations as they stand in the log."""
        return _rows(self.path / EVALUATIONS)

    @functools.cached_property
    def measurements(self) -> list[dict[str, str]]:
        """The rows with training losses, the last row's seconds among them."""
        return _rows(self.path / MEASUREMENTS)

    def column(self, name: str) -> list[float]:
        """Numbers of a column of the evaluations. Raises ValueError for cells that are none."""
        return [number(row[name]) for row in self.rows]


def asked(place: str, questions: Iterable[Callable[[], Said]]) -> Iterator[Problem]:
    """The problems that questions find; where a file is not one that can be asked, that is one."""
    for question in questions:
        try:
            yield from (Problem(kind, place, _line(what)) for kind, what in question())
        except _OTHERWISE as error:
            what = f"it is not as the harness writes it ({type(error).__name__}: {error})"
            yield Problem("record", place, _line(what))


def _line(what: str) -> str:
    """A stranger's words on one line, and not too many of them."""
    return " ".join("".join(c if c.isprintable() else " " for c in what[:400]).split())


def number(cell: str) -> float:
    """A cell of a log. Raises ValueError where it is no finite number, or NaN."""
    # `float` would take "1_0" and "infinity" too, which no harness writes.
    value = float("nan") if cell in ("nan", "inf", "-inf") else float(cell.replace("_", "?"))
    if math.isinf(value):
        raise ValueError(f"{cell[:40]!r} is no number of a log")
    return value


def _rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file by column; none where there is no file."""
    if not path.is_file():
        return []
    text = io.StringIO(path.read_text(encoding="utf-8"), newline="")
    try:
        return list(csv.DictReader(text))
    except csv.Error as error:
        raise ValueError(f"{path.name} is no log: {error}") from None
