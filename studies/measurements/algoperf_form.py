"""The price of stepping from Python: one algorithm in AlgoPerf's form and in native form.

The reference's NAdamW at one point, with the same seeds and so the same batches, as trials that the
harness runs in turns: seconds per step on the submission's clock, and seconds and steps to target.

    python -m studies.measurements.algoperf_form
"""

import argparse
import dataclasses
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.experiment import run as experiment_run
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.experiment.plan import Experiment
from algoperf_lite.experiment.progress import ExperimentProgress
from algoperf_lite.submission import find
from algoperf_lite.submission import native as submission_native
from algoperf_lite.trial import logs
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec
from scoring import benchmark
from studies import script
from studies.measurements import reference

NATIVE = "nadamw"
# A file of the tests, which trains as the native reference does: anything else would compare
# two algorithms.
FOREIGN = Path(__file__).parents[2] / "tests" / "algoperf_form" / "submissions" / "nadamw_jit"
SMOKE = {"workloads": ["digits"], "turns": 1}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is trained and how often."""
    default = ["digits", "criteo1tb", "finewebedu_lm"]
    parser.add_argument("--workloads", type=script.listed(), default=default)
    parser.add_argument("--turns", type=int, default=3, help="trials of each side")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    names = arguments.workloads
    paths = find.locate(NATIVE), find.locate(str(FOREIGN))
    with tempfile.TemporaryDirectory() as folder:
        records = _records(Path(folder), paths, names, arguments.turns)
    print(
        "| workload | ms per step, native | AlgoPerf's form | difference | to target, native "
        "| AlgoPerf's form |\n|---|---|---|---|---|---|"
    )
    for name in names:
        print(row(name, *(records[name, path] for path in paths)))


def _records(
    folder: Path, paths: Sequence[Path], names: Sequence[str], turns: int
) -> dict[tuple[str, Path], list[Mapping[str, Any]]]:
    """The records of trials of each submission on each workload, which take turns."""
    goal = benchmark.load("lite")
    ruleset = tuning.Ruleset("external", turns, 1, 1.5)
    # By steps, so that the slower form is not cut short.
    settings = ExperimentConfig("lite", "lite", ruleset, budget_by="steps")
    targets = {name: goal.workloads[name].value for name in names}
    entries = tuple(Contender(str(path)) for path in paths)
    planned = Experiment(folder, settings, entries, tuple(names), targets)
    # The same point for both, as the file's own list of points is not the reference's.
    point = submission_native.load(NATIVE).self_tuning_point

    def plan(calibrations: Mapping[str, Any]) -> list[TrialSpec]:
        trials = planned.plan(calibrations)
        return [dataclasses.replace(trial, hyperparameters=point) for trial in trials]

    with ExperimentProgress(Console(stderr=True)) as progress:
        here = local.local(1, 1)  # one at a time, as one that runs beside slows both
        trials = experiment_run.run(folder, settings, names, plan, here, progress)
    found: dict[tuple[str, Path], list[Mapping[str, Any]]] = {}
    for trial in trials:
        record = logs.read_record(Path(trial.directory))
        found.setdefault((trial.workload, Path(trial.submission)), []).append(record)
    return found


def row(name: str, native: Sequence[Any], foreign: Sequence[Any]) -> str:
    """A line of the table, of medians."""
    one, other = (
        1e3 * statistics.median(map(reference.seconds_per_step, side)) for side in (native, foreign)
    )
    return (
        f"| {name} | {one:.3f} | {other:.3f} | {other - one:+.3f} ({other / one - 1:+.1%}) "
        f"| {_arrival(native)} | {_arrival(foreign)} |"
    )


def _arrival(side: Sequence[Mapping[str, Any]]) -> str:
    arrived = [record for record in side if record["time_to_target"] is not None]
    if not arrived:
        return "never"
    seconds = statistics.median(record["time_to_target"] for record in arrived)
    steps = [record["steps_to_target"] for record in arrived]
    return f"{seconds:.2f} s, {steps} steps ({len(arrived)}/{len(side)})"


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
