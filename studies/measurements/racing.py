"""The worth of racing: the same experiment with raced trials and with complete ones.

The raced one comes first. Trials that nobody outran are complete as they are, and a trial's steps
are the same bit for bit whoever else runs; so the complete experiment takes them over, and runs the
outrun ones from the start to their end. Were one of those the best of its study, scores would
differ. Budgets are in steps. Seconds of an outrun trial are those of the complete one up to the
step at which it was outrun, so that nothing hangs on what else the machine did meanwhile; walls are
those of the trials' processes. "At best" every trial stops at the least steps of its study: no
exact rule can save more. Each experiment has a folder of its own, and the same command continues.

    python -m studies.measurements.racing
"""

import argparse
import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from algoperf_lite import api
from algoperf_lite.experiment.progress import ExperimentProgress
from algoperf_lite.trial import logs
from scoring.logs.eval_csv import read_columns
from scoring.logs.format import CLOCK, EVALUATIONS, ON_CLOCK, OUTRUN, STEP
from studies import script

RACED, COMPLETE = "raced", "complete"
SMOKE = {
    "submissions": ["nadamw"],
    "workloads": ["digits"],
    "num_studies": 1,
    "num_tuning_trials": 2,
    "max_global_steps": 4,
    "output_dir": script.SMOKE_FOLDER / "racing",
}
_WALL = "total_duration"


@dataclasses.dataclass(frozen=True)
class Amount:
    """What a trial took."""

    steps: int
    clock: float  # seconds on the submission's clock
    wall: float  # seconds of its process


@dataclasses.dataclass(frozen=True)
class Pair:
    """A trial of both experiments.

    Attributes:
      at_best: steps until its study was decided.
    """

    workload: str
    is_outrun: bool
    complete: Amount
    raced: Amount
    at_best: int


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the experiment that is run in both ways."""
    add = parser.add_argument
    add("--submissions", type=script.listed(), default=["nadamw", "adamw", "muon"])
    add("--workloads", type=script.listed(), default=["digits", "criteo1tb", "wmt", "ogbg"])
    add("--num_studies", type=int, default=3)
    add("--num_tuning_trials", type=int, default=5, help="per study")
    add("--benchmark", default="lite", help="name or file that the targets come from")
    add("--max_global_steps", type=int, help="a further limit, for a quick look")
    add("--num_workers", type=int, help="trials side by side; default: as many as fit")
    add("--output_dir", type=Path, default=Path("runs/racing"), help="where all runs are kept")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table; raises ValueError where scores are not the same."""
    options = {k: v for k, v in vars(arguments).items() if k not in ("smoke", "output_dir")}
    known = {name: value for name, value in options.items() if value is not None}
    scores = {}
    for kind in (RACED, COMPLETE):
        folder = arguments.output_dir / kind
        if kind == COMPLETE and not folder.exists():
            _take_over(arguments.output_dir / RACED, folder)
        with ExperimentProgress(Console(stderr=True)) as progress:
            api.run(
                **known, output_dir=folder, budget_by="steps", race=kind == RACED, reporter=progress
            )
        scores[kind] = _scores(folder, arguments.benchmark)
    print("\n".join(table(pairs(arguments.output_dir), arguments.workloads)))
    print("\n| submission | score by steps, of complete trials | of raced ones |\n|---|---|---|")
    for name, score in scores[COMPLETE].items():
        print(f"| {name} | {score!r} | {scores[RACED][name]!r} |")
    if scores[RACED] != scores[COMPLETE]:
        raise ValueError("racing changed a score")


def _take_over(raced: Path, complete: Path) -> None:
    """Copies an experiment without the trials that were outrun; all of it, or nothing."""
    copied = complete.with_name(f"{complete.name}.partial")
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(raced, copied)
    for trial in copied.glob("*/study_*/*/trial_*"):
        if _record(trial)["status"] == OUTRUN:
            shutil.rmtree(trial)
    copied.rename(complete)


def _record(directory: Path) -> Mapping[str, Any]:
    record = logs.read_record(directory)
    assert record is not None, "a trial that has ended has a record"
    return record


def _scores(folder: Path, benchmark: str) -> dict[str, float]:
    found = api.score(folder, benchmark=benchmark, by="steps", only_present=True)
    return {row.submission: row.score for row in found.rows}


# --- what both took ---------------------------------------------------------------------------


def table(found: Sequence[Pair], names: Sequence[str]) -> Iterator[str]:
    """Lines of a markdown table, a row for each of the workloads `names` and one of all."""
    yield "| workload | trials | outrun | steps | at best | clock s | wall s |"
    yield "|---|---|---|---|---|---|---|"
    for workload in (*names, "all"):
        own = [pair for pair in found if workload in (pair.workload, "all")]
        before, now = ([getattr(pair, kind) for pair in own] for kind in (COMPLETE, RACED))
        steps, clock, wall = (
            _saved(*(sum(getattr(one, unit) for one in each) for each in (before, now)))
            for unit in ("steps", "clock", "wall")
        )
        at_best = sum(one.steps for one in before) / sum(pair.at_best for pair in own)
        count = sum(pair.is_outrun for pair in own)
        yield (
            f"| {workload} | {len(own)} | {count} | {steps} | {at_best:.2f}x | {clock} | {wall} |"
        )


def _saved(before: float, now: float) -> str:
    return f"{before:,.0f} to {now:,.0f}: {before / max(now, 1e-9):.2f}x less"


def pairs(folder: Path) -> list[Pair]:
    """The trials of both experiments, which lie in `folder`."""
    studies = (folder / COMPLETE).glob("*/study_*/*")
    return [pair for study in sorted(studies) for pair in _pairs(study, folder)]


def _pairs(study: Path, folder: Path) -> list[Pair]:
    """The trials of one study on one workload."""
    trials = {trial: _record(trial) for trial in sorted(study.glob("trial_*"))}
    reached = [one["steps"] for one in trials.values() if one["status"] == "reached"]
    found = []
    for trial, record in trials.items():
        raced = _record(folder / RACED / trial.relative_to(folder / COMPLETE))
        whole = Amount(record["steps"], _clock(record), _wall(record))
        is_outrun = raced["status"] == OUTRUN
        part = _until(trial, whole, raced["steps"]) if is_outrun else whole
        at_best = min([whole.steps, *reached])
        found.append(Pair(record["workload"], is_outrun, whole, part, at_best))
    return found


def _until(trial: Path, whole: Amount, steps: int) -> Amount:
    """What a complete trial had taken by its evaluation after so many steps.

    Raises ValueError where it was not evaluated there.
    """
    columns, _ = read_columns((trial / EVALUATIONS).read_bytes(), (STEP, CLOCK, _WALL))
    (rows,) = np.nonzero(columns[STEP] == steps)
    if not len(rows):
        raise ValueError(f"{str(trial)!r} has no evaluation at step {steps}, where it was outrun")
    row, wall = rows[0], columns[_WALL]
    return Amount(steps, columns[CLOCK][row], whole.wall - (np.nanmax(wall) - wall[row]))


def _clock(record: Mapping[str, Any]) -> float:
    return sum(record["ledger"].get(account, 0.0) for account in ON_CLOCK)


def _wall(record: Mapping[str, Any]) -> float:
    return sum(attempt["wall"] for attempt in record["attempts"])


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
