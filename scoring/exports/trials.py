"""What an export says of a trial: its place, its tags, its hyperparameters and its scalars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scoring.leaderboard import Leaderboard
from scoring.logs import read
from scoring.logs.eval_csv import read_columns
from scoring.logs.format import (
    CLOCK,
    EXPERIMENT,
    POINT,
    RECORD,
    ROW_FILES,
    STATUSES,
    STEP,
    UNFINISHED,
)
from scoring.logs.origins import read_object
from scoring.logs.read import Place
from scoring.logs.trial_files import read_info
from scoring.views.text import plain, printable

Plain = str | float | int | bool

UNKNOWN = "unknown"  # status of a trial without a record, where others have none either
# What trial.json says in one value and a table of trials is sorted, grouped or filtered by.
FACTS = (
    *("scale", "ruleset", "schedule", "budget", "timing", "precision", "metric", "target", "best"),
    *("final", "steps", "time_to_target", "steps_to_target", "max_seconds", "step_hint"),
    *("batch_size", "num_params", "seed", "experiment_seed", "preemption_count"),
    *("peak_memory_bytes", "peak_device_memory_bytes", "error"),
)
_TABLES = ("ledger", "fingerprint")  # objects in it, whose leaves get dotted names
_MOST_STEPS = 2**53  # whole numbers beyond are no longer told apart


@dataclass(frozen=True, eq=False)
class Series:
    """A column of a trial's logs: P points, those without a step or a value left out."""

    name: str
    steps: np.ndarray  # (P,) int64
    seconds: np.ndarray  # (P,) on the submission's clock; NaN where the log has none
    values: np.ndarray  # (P,)


@dataclass(frozen=True, eq=False)
class ExportedTrial:
    """One trial; all text can be printed."""

    place: Place
    status: str  # one of STATUSES, UNFINISHED or UNKNOWN
    hyperparameters: Mapping[str, Plain]
    facts: Mapping[str, Plain]
    series: tuple[Series, ...]

    @property
    def tags(self) -> dict[str, Plain]:
        """The names that tell it from others, as in {"submission": "nadamw", "study": 0, ...}."""
        place = self.place
        return {
            "submission": printable(place.submission),
            "workload": printable(place.workload),
            "study": place.study,
            "trial": place.trial,
            "framework": place.framework,
            "status": self.status,
        }

    @property
    def name(self) -> str:
        """E.g. "nadamw/digits/study_0/trial_1"."""
        place = self.place
        where = f"{place.submission}/{place.workload}/study_{place.study}/trial_{place.trial}"
        return printable(where)


@dataclass(frozen=True, eq=False)
class Export:
    """All that a format writes.

    Attributes:
      name: of the directory of logs.
      output: the folder, by its whole path, that it will lie in when it is complete.
      board: of a format that shows scores, see `formats.Format`.
    """

    name: str
    output: Path
    trials: tuple[ExportedTrial, ...]
    board: Leaderboard | None = None


def read_trials(directory: Path) -> tuple[ExportedTrial, ...]:
    """All trials under a directory, of whatever workloads, finished or not.

    Raises ValueError where there are none.
    """
    ending = UNFINISHED if (directory / EXPERIMENT).exists() else UNKNOWN
    return tuple(_trial(directory, place, ending) for place in read.some_places(directory))


def _trial(directory: Path, place: Place, ending: str) -> ExportedTrial:
    """A trial; damaged files are as absent ones, as they are to `score`, which names them."""
    folder = directory / place.path
    info, _ = read_info(f"{folder}/{RECORD}")
    point = info.get("hyperparameters")
    return ExportedTrial(
        place=place,
        status=info["status"] if info.get("status") in STATUSES else ending,
        hyperparameters=_leaves(read_object(folder / POINT) if point is None else point),
        facts=_leaves(
            {
                **{name: info.get(name) for name in FACTS},
                **{name: info[name] for name in _TABLES if isinstance(info.get(name), dict)},
            }
        ),
        series=tuple(_series(folder)),
    )


def _series(folder: Path) -> Iterable[Series]:
    """The columns of both files; one that both have is taken from the first, as the second repeats
    the evaluations between its own rows."""
    found: dict[str, Series] = {}
    for name in ROW_FILES:
        try:
            data = (folder / name).read_bytes()
        except OSError:
            continue
        for series in _columns(data):
            found.setdefault(series.name, series)
    return sorted(found.values(), key=lambda series: series.name)


def _columns(data: bytes) -> Iterable[Series]:
    """The columns of one file but for the step, which is what all others are told by."""
    header = data.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].rstrip(b"\r")
    names = [cell.strip(b' "').decode("utf-8", "replace") for cell in header.split(b",")]
    columns, _ = read_columns(data, names)
    steps = columns.pop(STEP, None)
    if steps is None:
        return
    seconds = columns.get(CLOCK, np.full(len(steps), np.nan))
    is_step = np.isfinite(steps) & (np.abs(steps) < _MOST_STEPS)
    for name, values in columns.items():
        rows = is_step & ~np.isnan(values)
        if rows.any():
            yield Series(printable(name), steps[rows].astype(np.int64), seconds[rows], values[rows])


def _leaves(value: object, name: str = "") -> dict[str, Plain]:
    """Leaves of nested objects as {"ledger.eval": 1.5}; what is null or not finite is left out."""
    if isinstance(value, dict):
        leaves: dict[str, Plain] = {}
        for key, inner in value.items():
            key = printable(str(key))
            leaves |= _leaves(inner, f"{name}.{key}" if name else key)
        return leaves
    if value is None or not name or (isinstance(value, float) and not math.isfinite(value)):
        return {}
    # A whole number that no table or database has room for is text.
    is_small = isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63)
    return {name: value if is_small else plain(value)}
