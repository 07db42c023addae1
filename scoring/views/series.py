"""Curves of single trials: of every study the one that counts, thinned for the page."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from scoring.benchmark import Benchmark, Target
from scoring.logs.eval_csv import read_columns
from scoring.logs.format import CLOCK, EVALUATIONS, LEARNING_RATE, MEASUREMENTS, STEP
from scoring.logs.read import Trial
from scoring.protocol import Protocol
from scoring.stats.times import crossing, value_at

MOST_POINTS = 200


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
    """The trial of every study whose time counts, else the best that ran."""

    def study(trial: Trial) -> tuple[str, str, int]:
        return trial.workload, trial.submission, trial.study

    found = []
    shown = sorted((t for t in trials if t.steps.size), key=study)
    for (workload, *_), group in groupby(shown, study):
        target = benchmark.workloads[workload]
        found.append(min(group, key=lambda trial: _rank(trial, target, protocol)))
    return found


def _rank(trial: Trial, target: Target, protocol: Protocol) -> tuple:
    """Sort key: as `times.study_value` ranks; trials that never reach by their best metric."""
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
    # With the row before it, so that the line crosses the target where it did.
    keep = () if row is None else {max(row - 1, 0), row}
    rows = thin(trial.metric, most, keep)
    return Trace(
        submission=trial.submission,
        workload=trial.workload,
        study=trial.study,
        trial=trial.trial,
        seconds=trial.seconds[rows],
        steps=trial.steps[rows],
        values=np.where(np.isfinite(trial.metric[rows]), trial.metric[rows], np.nan),
        crossing=None if row is None else int(np.searchsorted(rows, row)),
    )


def learning_rate(root: Path, trial: Trial, most: int = MOST_POINTS) -> Trace | None:
    """The learning rate of a trial by its logs, None where it was not logged."""
    for name in (MEASUREMENTS, EVALUATIONS):
        data = _with_learning_rate(root / trial.path / name)
        columns, _ = read_columns(data, (STEP, CLOCK, LEARNING_RATE))
        if STEP not in columns or LEARNING_RATE not in columns:
            continue
        logged = np.isfinite(columns[LEARNING_RATE]) & np.isfinite(columns[STEP])
        if logged.any():
            return _trace(trial, {name: column[logged] for name, column in columns.items()}, most)
    return None


def _with_learning_rate(path: Path) -> bytes:
    """The content of a log that has the column, nothing of another."""
    try:
        with open(path, "rb") as file:
            header = file.readline()  # a log of every step can be long, so look before reading
            return header + file.read() if LEARNING_RATE.encode() in header else b""
    except OSError:
        return b""


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
        submission=trial.submission,
        workload=trial.workload,
        study=trial.study,
        trial=trial.trial,
        seconds=seconds[rows],
        steps=steps[rows],
        values=values[rows],
    )


def thin(values: np.ndarray, most: int, keep: Iterable[int] = ()) -> np.ndarray:
    """Ascending row numbers, at most `most`, that stand for the whole curve of R values.

    Kept for certain: the first and the last row, the rows in `keep`, and the smallest and largest
    finite value. The rest are the extremes of equal stretches, so that spikes survive, which an
    every-k-th rule loses. A curve of no more than `most` rows stays whole.
    """
    if len(values) <= most:
        return np.arange(len(values))
    must = {0, len(values) - 1, *keep}
    num_stretches = (most - len(must)) // 2
    if num_stretches < 1:
        raise ValueError(f"cannot keep {len(must)} rows and extremes in {most}; allow more rows")
    chosen = set(must)
    for stretch in np.array_split(np.arange(len(values)), num_stretches):
        finite = stretch[np.isfinite(values[stretch])]
        if finite.size:
            chosen.add(int(finite[np.argmin(values[finite])]))
            chosen.add(int(finite[np.argmax(values[finite])]))
        else:  # a gap stays a gap
            chosen.add(int(stretch[0]))
    return np.array(sorted(chosen))


def rounded(value: float, digits: int = 6) -> float | int | None:
    """The value to so many significant digits, None where JSON has no word for it."""
    if not np.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short == int(short) and abs(short) < 2**53 else short
