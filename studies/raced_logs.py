"""Logs as they would be had their trials raced: complete ones, cut off where the rule stops them.

    python -m studies.raced_logs DIR --benchmark=algoperf_v05

Of each workload: seconds on the clocks of all trials, one at a time; what racing saves of them in
the order of their numbers; and with the best trial of each study first, which nobody can know.
"""

import argparse
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from algoperf_lite.trial import racing
from scoring import benchmark as benchmarks
from scoring.benchmark import Target
from scoring.logs import read
from scoring.logs.format import FAILURES, OUTRUN
from scoring.logs.read import Trial
from scoring.stats import times
from scoring.stats.times import crossing
from studies import script

Study = tuple[str, str, int]
SMOKE = {"benchmark": "lite"}
_EXACT = ("exact", "time")


@dataclass(frozen=True)
class Raced:
    """Trials after a race.

    Attributes:
      trials: as they were given, those that were outrun without the rows that they did not reach.
      clock: seconds on the clocks of all trials; `complete_clock` without the race.
      wall: seconds until the last one had ended, evaluations not counted; `complete_wall` likewise.
      steps, complete_steps: of all trials.
    """

    trials: tuple[Trial, ...]
    clock: float
    complete_clock: float
    wall: float
    complete_wall: float
    steps: float
    complete_steps: float


def race(trials: Sequence[Trial], targets: Mapping[str, Target], num_workers: int = 1) -> Raced:
    """Runs complete logs again, `num_workers` side by side, each started as the one before ends.

    Args:
      trials: with a row at least, in the order in which they start.
    """
    raced, wall = _run(trials, targets, num_workers, is_race=True)
    complete, complete_wall = _run(trials, targets, num_workers, is_race=False)
    return Raced(
        trials=tuple(one.trial for one in raced),
        clock=sum(one.seconds for one in raced),
        complete_clock=sum(one.seconds for one in complete),
        wall=wall,
        complete_wall=complete_wall,
        steps=sum(one.steps for one in raced),
        complete_steps=sum(one.steps for one in complete),
    )


@dataclass(frozen=True)
class _End:
    """A trial as it ended, with its clock and steps then."""

    trial: Trial
    seconds: float
    steps: float


def _run(
    trials: Sequence[Trial], targets: Mapping[str, Target], num_workers: int, is_race: bool
) -> tuple[list[_End], float]:
    """Ends of all trials, in their order, and when the last one was over."""
    ends: dict[int, _End] = {}
    records: dict[Study, list[dict]] = {}
    waiting, wall = iter(range(len(trials))), 0.0
    # (when, trial, its row): evaluations of all trials that run, the next one first.
    events = [(float(trials[i].seconds[0]), i, 0) for i in islice(waiting, num_workers)]
    heapq.heapify(events)
    while events:
        wall, i, row = heapq.heappop(events)
        trial = trials[i]
        end = _end(trial, row, targets[trial.workload], records if is_race else {})
        if end is None:
            then = wall + float(trial.seconds[row + 1] - trial.seconds[row])
            heapq.heappush(events, (then, i, row + 1))
            continue
        ends[i] = end
        records.setdefault(_study(trial), []).append(_record(trial, row, targets[trial.workload]))
        for following in islice(waiting, 1):
            heapq.heappush(events, (wall + float(trials[following].seconds[0]), following, 0))
    return [ends[i] for i in range(len(trials))], wall


def _end(
    trial: Trial, row: int, target: Target, records: Mapping[Study, Sequence[Mapping]]
) -> _End | None:
    """The trial as it ends at a row; None where it goes on."""
    seconds, steps = float(trial.seconds[row]), float(trial.steps[row])
    best = racing.best(records.get(_study(trial), ()))
    if best is not None and best.outruns(seconds, int(steps)):
        columns = {n: getattr(trial, n)[:row] for n in ("steps", "seconds", "score", "metric")}
        # Whether a trial is to be trusted is looked into however it ended.
        info = {**trial.info, "status": OUTRUN if trial.status != "invalid" else "invalid"}
        return _End(replace(trial, **columns, info=info), seconds, steps)
    is_end = row == trial.steps.size - 1 or target.met(trial.metric[row : row + 1]).any()
    return _End(trial, seconds, steps) if is_end else None


def _record(trial: Trial, row: int, target: Target) -> dict:
    """What the others read of a trial that has ended."""
    if trial.status in FAILURES or crossing(trial, target) != row:
        return {"status": trial.status or "not_reached", "attempts": [{}]}
    return {
        "status": "reached",
        "attempts": [{}],
        "time_to_target": float(trial.seconds[row]),
        "steps_to_target": int(trial.steps[row]),
    }


def _study(trial: Trial) -> Study:
    return trial.submission, trial.workload, trial.study


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what to read."""
    parser.add_argument("directory", help="of complete logs")
    parser.add_argument("--benchmark", default="algoperf_v05", help="that has their targets")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table; raises ValueError where racing changed the time of a study."""
    goal = benchmarks.load(arguments.benchmark)
    metrics = {name: target.metric for name, target in goal.workloads.items()}
    found, _ = read.read(arguments.directory, metrics)
    known = [one for one in found if one.steps.size and np.isfinite([one.seconds, one.steps]).all()]
    print("| workload | trials | seconds | saved | best first |\n|---|---|---|---|---|")
    sums = np.zeros(3)
    for workload in sorted({one.workload for one in known}):
        own = [one for one in known if one.workload == workload]
        sums += (row := _clocks(own, goal.workloads))
        print(f"| {workload} | {len(own)} | {_cells(row)} |")
    print(f"| all | {len(known)} | {_cells(sums)} |")


def _clocks(trials: Sequence[Trial], targets: Mapping[str, Target]) -> np.ndarray:
    """Seconds of trials, complete, raced as they are, and raced with the best first."""
    as_they_are = race(trials, targets)
    first = sorted(trials, key=lambda one: times.study_value([one], targets[one.workload], *_EXACT))
    best_first = race(first, targets)
    for raced in (as_they_are, best_first):
        for by in ("time", "steps"):
            if times.cells(raced.trials, targets, "exact", by) != times.cells(
                trials, targets, "exact", by
            ):
                raise ValueError(f"racing changed a study of {trials[0].workload} by {by}")
    return np.array([as_they_are.complete_clock, as_they_are.clock, best_first.clock])


def _cells(row: np.ndarray) -> str:
    complete, *raced = row.tolist()
    return " | ".join([f"{complete:,.0f}", *(f"{1 - one / complete:.0%}" for one in raced)])


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
