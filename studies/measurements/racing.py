"""The worth of racing: the same experiment with raced trials and with complete ones.

The raced one comes first. Trials that nobody outran are complete as they are, and a trial's steps
are the same bit for bit whoever else runs; so the complete experiment takes them over, and runs the
outrun ones from the start to their end. Were one of those the best of its study, scores would
differ. Budgets are in steps. Walls are those of the trials' processes. Each experiment has a folder
of its own, and the same command continues.

    python -m studies.measurements.racing
"""

import argparse
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from algoperf_lite import api
from algoperf_lite.experiment.progress import ExperimentProgress
from algoperf_lite.trial import logs
from scoring.logs.format import ON_CLOCK, OUTRUN
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
Records = Sequence[Mapping[str, Any]]


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
    found: dict[str, Records] = {}
    scores = {}
    for kind in (RACED, COMPLETE):
        folder = arguments.output_dir / kind
        if kind == COMPLETE and not folder.exists():
            _take_over(arguments.output_dir / RACED, folder)
        with ExperimentProgress(Console(stderr=True)) as progress:
            done = api.run(
                **known, output_dir=folder, budget_by="steps", race=kind == RACED, reporter=progress
            )
        found[kind] = [_record(trial.directory) for trial in done.rows]
        scores[kind] = _scores(folder, arguments.benchmark)
    print("| workload | trials | outrun | steps | clock s | wall s |\n|---|---|---|---|---|---|")
    for workload in (*arguments.workloads, "all"):
        print(_row(workload, *(_of(workload, found[kind]) for kind in (COMPLETE, RACED))))
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


def _record(directory: str | Path) -> Mapping[str, Any]:
    record = logs.read_record(Path(directory))
    assert record is not None, "a trial that has ended has a record"
    return record


def _scores(folder: Path, benchmark: str) -> dict[str, float]:
    found = api.score(folder, benchmark=benchmark, by="steps", only_present=True)
    return {row.submission: row.score for row in found.rows}


def _of(workload: str, records: Records) -> Records:
    return [one for one in records if workload in (one["workload"], "all")]


def _row(workload: str, complete: Records, raced: Records) -> str:
    """How much both ways took of everything, and the ratio."""
    outrun = Counter(record["status"] for record in raced)[OUTRUN]
    cells = [workload, str(len(raced)), str(outrun)]
    for amount in (_steps, _clock, _wall):
        before, after = sum(map(amount, complete)), sum(map(amount, raced))
        cells.append(f"{before:,.0f} to {after:,.0f}: {before / max(after, 1e-9):.2f}x less")
    return f"| {' | '.join(cells)} |"


def _steps(record: Mapping[str, Any]) -> float:
    return float(record["steps"])


def _clock(record: Mapping[str, Any]) -> float:
    return sum(record["ledger"].get(account, 0.0) for account in ON_CLOCK)


def _wall(record: Mapping[str, Any]) -> float:
    return sum(attempt["wall"] for attempt in record["attempts"])


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
