"""The curves of a report: of every study the trial that counts, thinned for the page."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from scoring.benchmark import Benchmark, Target
from scoring.eval_csv import read_columns
from scoring.logs import Trial
from scoring.protocol import Protocol
from scoring.report.thinning import rounded, thin
from scoring.times import crossing, value_at
from scoring.trial_files import CLOCK, STEP

MOST_POINTS = 200
LEARNING_RATE = "learning_rate"


@dataclass(frozen=True, eq=False)
class Trace:
    """P points of one trial; `crossing` is the point that first meets the target."""

    submission: str
    workload: str
    study: int
    trial: int
    seconds: np.ndarray  # (P,)
    steps: np.ndarray  # (P,)
    values: np.ndarray  # (P,) NaN: a gap
    crossing: int | None = None

    def to_json(self, position: int) -> dict:
        """Plain values for the page; `position` is the submission's place on the board."""
        return {
            "submission": position,
            "study": self.study,
            "trial": self.trial,
            "seconds": [rounded(value) for value in self.seconds],
            "steps": [rounded(value, 15) for value in self.steps],
            "values": [rounded(value) for value in self.values],
            "crossing": self.crossing,
        }


def counted(trials: Iterable[Trial], benchmark: Benchmark, protocol: Protocol) -> list[Trial]:
    """Of every study the trial whose time counts, else the best that ran."""

    def study(trial: Trial) -> tuple[str, str, int]:
        return trial.workload, trial.submission, trial.study

    found = []
    shown = sorted((t for t in trials if t.steps.size), key=study)
    for (workload, *_), group in groupby(shown, study):
        target = benchmark.workloads[workload]
        found.append(min(group, key=lambda trial: _rank(trial, target, protocol)))
    return found


def _rank(trial: Trial, target: Target, protocol: Protocol) -> tuple:
    """Sort key: as `times.study_values` ranks; trials that never reach by their best metric."""
    row = crossing(trial, target)
    value = value_at(trial, row, protocol.mode, protocol.by)
    by_row = protocol.mode == "official" and row is not None
    first = float(row) if by_row else value
    name = f"trial_{trial.trial}" if protocol.mode == "official" else trial.trial
    if math.isfinite(first):
        return first, 0.0, name
    best = target.best(trial.metric)
    if trial.status == "invalid" or math.isnan(best):
        best = math.inf
    elif not target.lower_is_better:
        best = -best
    return math.inf, best, name


def learning_curve(trial: Trial, target: Target, most: int = MOST_POINTS) -> Trace:
    """The validation metric of a trial, thinned so that the crossing of the target stays put."""
    row = crossing(trial, target)
    keep = () if row is None else {max(row - 1, 0), row}
    rows = thin(trial.metric, most, keep)
    return Trace(
        *(trial.submission, trial.workload, trial.study, trial.trial),
        seconds=trial.seconds[rows],
        steps=trial.steps[rows],
        values=np.where(np.isfinite(trial.metric[rows]), trial.metric[rows], np.nan),
        crossing=None if row is None else int(np.searchsorted(rows, row)),
    )


def learning_rate(root: Path, trial: Trial, most: int = MOST_POINTS) -> Trace | None:
    """The learning rate of a trial by its logs, None where it was not logged."""
    for name in ("measurements.csv", "eval_measurements.csv"):
        try:
            with open(root / trial.path / name, "rb") as file:
                header = file.readline()  # a log of every step can be long, so look before reading
                if LEARNING_RATE.encode() not in header:
                    continue
                data = header + file.read()
        except OSError:
            continue
        columns, _ = read_columns(data, (STEP, CLOCK, LEARNING_RATE))
        if STEP not in columns or LEARNING_RATE not in columns:
            continue
        logged = np.isfinite(columns[LEARNING_RATE]) & np.isfinite(columns[STEP])
        if logged.any():
            return _trace(trial, {name: column[logged] for name, column in columns.items()}, most)
    return None


def _trace(trial: Trial, columns: dict[str, np.ndarray], most: int) -> Trace:
    """The curve of logged learning rates; seconds that a row lacks come from the evaluations."""
    steps, values = columns[STEP], columns[LEARNING_RATE]
    seconds = columns.get(CLOCK, np.full(len(steps), np.nan))
    timed = np.isfinite(trial.steps) & np.isfinite(trial.seconds)
    if timed.any():
        between = np.interp(steps, trial.steps[timed], trial.seconds[timed])
        seconds = np.where(np.isfinite(seconds), seconds, between)
    rows = thin(values, most)
    return Trace(
        *(trial.submission, trial.workload, trial.study, trial.trial),
        seconds=seconds[rows],
        steps=steps[rows],
        values=values[rows],
    )
