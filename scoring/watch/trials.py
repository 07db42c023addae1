"""Trials as they are at this moment, read anew only where a file has changed."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scoring.benchmark import Target
from scoring.logs import read
from scoring.logs.eval_csv import read_columns
from scoring.logs.format import (
    CLOCK,
    EVALUATIONS,
    EXPERIMENT,
    RECORD,
    SCORE,
    STATUSES,
    STEP,
    UNFINISHED,
)
from scoring.logs.origins import read_object
from scoring.logs.read import Place, Trial
from scoring.logs.trial_files import read_info
from scoring.views import runs, series
from scoring.views.series import rounded
from scoring.views.text import plain, printable

MOST_POINTS = 80  # of a curve on the page
_FLAGS, _META = re.compile(r"flags_(\d+)\.json"), re.compile(r"meta_data_(\d+)\.json")
_LONGEST = 300  # characters of an error
_VALIDATION = "validation/"

Stamp = tuple[int, int]  # time of the last change in nanoseconds, and size in bytes


@dataclass(frozen=True, eq=False)
class Watched:
    """A trial as its files have it now.

    Attributes:
      trial: rows and record; `metric` has the values of `target.metric`.
      target: its value is NaN where none is known.
      horizon: steps until it ends at the latest; None where nothing tells.
      max_seconds: of its clock; None for no such limit.
      changed: when a file of it changed last, in seconds since 1970.
    """

    trial: Trial
    target: Target
    horizon: int | None
    max_seconds: float | None
    changed: float

    @property
    def status(self) -> str:
        """One of `logs.format.STATUSES`, or UNFINISHED."""
        return self.trial.status or UNFINISHED

    @property
    def step(self) -> int:
        """Of the last evaluation; 0 before the first."""
        steps = self.trial.steps[np.isfinite(self.trial.steps)]
        return int(steps[-1]) if steps.size else 0

    @property
    def progress(self) -> float:
        """The part of its steps or seconds that is done, whichever is more; from 0 to 1."""
        seconds = self.trial.seconds[np.isfinite(self.trial.seconds)]
        parts = [self.step / self.horizon if self.horizon else 0.0]
        if self.max_seconds and seconds.size:
            parts.append(float(seconds[-1]) / self.max_seconds)
        return min(max(parts), 1.0)

    def to_json(self) -> dict:
        """Plain values for the page; all text can be printed."""
        trial, target = self.trial, self.target
        curve = series.learning_curve(trial, target, MOST_POINTS)
        (spent,) = runs.ledgers([trial]) or [None]
        error = trial.info.get("error")
        return {
            "path": printable(trial.path),
            "submission": printable(trial.submission),
            "workload": printable(trial.workload),
            "study": trial.study,
            "trial": trial.trial,
            "status": self.status,
            "progress": rounded(self.progress),
            "step": self.step,
            "horizon": self.horizon,
            "metric": printable(target.metric),
            "lower": target.lower_is_better,
            "target": rounded(target.value),
            "best": rounded(target.best(trial.metric)),
            "changed": round(self.changed, 3),
            "seconds": [rounded(value) for value in curve.seconds],
            "steps": [rounded(value, 15) for value in curve.steps],
            "values": [rounded(value) for value in curve.values],
            "ledger": None if spent is None else {k: rounded(v) for k, v in spent.seconds.items()},
            "wall": None if spent is None else rounded(spent.wall),
            "error": plain(error)[:_LONGEST] if error else None,
        }


class Tree:
    """The trials under a directory, which may not be there yet."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.trials: dict[str, Watched] = {}
        self._stamps: dict[str, tuple[Stamp | None, ...]] = {}
        self._experiment: tuple[Stamp | None, int | None] = (None, None)

    def poll(self) -> tuple[list[str], list[str]]:
        """Reads what has changed; returns paths of trials that are new or other than before, and
        of those that are gone."""
        places = {place.path: place for place in read.places(self.directory)}
        gone = [path for path in self.trials if path not in places]
        for path in gone:
            del self.trials[path], self._stamps[path]
        changed, root = [], os.fspath(self.directory)
        for path, place in places.items():
            # Text and not paths: taking paths apart would be most of a look.
            folder = f"{root}/{path}"
            stamps = (_stamp(f"{folder}/{EVALUATIONS}"), _stamp(f"{folder}/{RECORD}"))
            if self._stamps.get(path) != stamps:
                # Taken before the files are read: what is written meanwhile is read next time.
                self._stamps[path] = stamps
                self.trials[path] = _read(self.directory, place, stamps)
                changed.append(path)
        return changed, gone

    @property
    def num_trials(self) -> int | None:
        """How many the whole experiment has; None where nothing tells."""
        path = self.directory / EXPERIMENT
        stamp = _stamp(os.fspath(path))
        if stamp != self._experiment[0]:
            self._experiment = (stamp, _whole(read_object(path).get("num_trials")))
        return self._experiment[1]


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _read(root: Path, place: Place, stamps: tuple[Stamp | None, ...]) -> Watched:
    """A trial by its files, each of which may be absent, torn or damaged."""
    folder = root / place.path
    info, _ = read_info(f"{folder}/{RECORD}")
    # A record of an attempt that is over is no end: the harness writes it when it gives up.
    info = info if info.get("status") in STATUSES else {}
    said = _last_json(folder, _FLAGS) | {k: v for k, v in info.items() if v is not None}
    try:
        data = (folder / EVALUATIONS).read_bytes()
    except OSError:
        data = b""
    metric = _metric(info, _last_json(folder, _META), data)
    column = f"{_VALIDATION}{metric}"
    columns, _ = read_columns(data, (STEP, CLOCK, SCORE, column))
    trial = read.trial_of(place, columns, column, info)
    target = _number(said.get("target"))
    return Watched(
        trial=trial,
        target=Target(metric, math.nan if target is None else target, 0),
        horizon=_whole(said.get("max_global_steps")),
        max_seconds=_number(said.get("max_seconds")),
        changed=max((stamp[0] for stamp in stamps if stamp is not None), default=0) / 1e9,
    )


def _metric(info: Mapping, meta: Mapping, data: bytes) -> str:
    """The name of the validation metric: by the record, by what stands beside a run, or the first
    that is in the log."""
    for name in (info.get("metric"), meta.get("workload.target_metric_name")):
        if isinstance(name, str):
            return name
    header = data.split(b"\n", 1)[0].decode("utf-8", "replace").split(",")
    columns = [name.strip(' "').removeprefix(_VALIDATION) for name in header if _VALIDATION in name]
    return next((name for name in columns if name != "num_examples"), "metric")


def _last_json(folder: Path, pattern: re.Pattern) -> dict:
    """The object in the last of several files, one for each attempt."""
    try:
        matches = [match for name in os.listdir(folder) if (match := pattern.fullmatch(name))]
    except OSError:
        return {}
    last = max(matches, key=lambda match: int(match[1]), default=None)
    return {} if last is None else read_object(folder / last[0])


def _number(value: object) -> float | None:
    # JSON's true is an int to Python.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e300 else None


def _whole(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 < number < 2**53 else None
