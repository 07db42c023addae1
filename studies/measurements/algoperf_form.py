"""What stepping from Python costs: one algorithm in AlgoPerf's form and in native form.

The reference's NAdamW at one point, with the same seeds and so the same batches, as trials that the
harness runs in turns: seconds per step on the submission's clock, and seconds and steps to target.

    python -m studies.measurements.algoperf_form
"""

import dataclasses
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import app, flags
from rich.console import Console

from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.experiment import run
from algoperf_lite.experiment.config import ExperimentConfig
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.experiment.plan import Experiment
from algoperf_lite.experiment.progress import ExperimentProgress
from algoperf_lite.submission import find
from algoperf_lite.submission import native as submission_native
from algoperf_lite.training import clock
from algoperf_lite.trial import logs
from algoperf_lite.trial.spec import TrialSpec
from scoring import benchmark

_WORKLOADS = flags.DEFINE_list("workloads", ["digits", "criteo1tb", "finewebedu_lm"], "Which.")
_TURNS = flags.DEFINE_integer("turns", 3, "Trials of each side.", lower_bound=1)

FOREIGN = Path("tests") / "algoperf_form" / "submissions" / "nadamw_jit"


def main(argv: Sequence[str]) -> None:
    del argv
    native = submission_native.load("nadamw")
    goal = benchmark.load("lite")
    names = _WORKLOADS.value
    paths = native.path, find.locate(str(FOREIGN))
    with tempfile.TemporaryDirectory() as folder:
        ruleset = tuning.Ruleset("external", _TURNS.value, 1, 1.5)
        settings = ExperimentConfig("lite", "lite", ruleset, budget_by="steps")
        planned = Experiment(
            Path(folder),
            settings,
            tuple(Contender(str(path)) for path in paths),
            tuple(names),
            {name: goal.workloads[name].value for name in names},
        )

        def plan(calibrations: Mapping[str, Any]) -> list[TrialSpec]:
            point = native.self_tuning_point
            return [
                dataclasses.replace(trial, hyperparameters=point)
                for trial in planned.plan(calibrations)
            ]

        records: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        with ExperimentProgress(Console(stderr=True)) as progress:
            trials = run.run(Path(folder), settings, names, plan, local.local(1, 1), progress)
        for trial in trials:
            record = logs.read_record(Path(trial.directory))
            records.setdefault((trial.workload, trial.submission), []).append(record)
    print(
        "| workload | ms per step, native | AlgoPerf's form | difference | to target, native "
        "| AlgoPerf's form |\n|---|---|---|---|---|---|"
    )
    for name in names:
        sides = [records[name, str(path)] for path in paths]
        print(row(name, *sides))


def row(name: str, native: Sequence[Any], foreign: Sequence[Any]) -> str:
    """A line of the table, of medians."""
    one, other = (
        1e3 * statistics.median(map(_seconds_per_step, side)) for side in (native, foreign)
    )
    return (
        f"| {name} | {one:.3f} | {other:.3f} | {other - one:+.3f} ({other / one - 1:+.1%}) "
        f"| {_arrival(native)} | {_arrival(foreign)} |"
    )


def _seconds_per_step(record: Mapping[str, Any]) -> float:
    return sum(record["ledger"][a] for a in clock.ON_CLOCK if a != "init") / record["steps"]


def _arrival(side: Sequence[Mapping[str, Any]]) -> str:
    arrived = [record for record in side if record["time_to_target"] is not None]
    if not arrived:
        return "never"
    seconds = statistics.median(record["time_to_target"] for record in arrived)
    steps = [record["steps_to_target"] for record in arrived]
    return f"{seconds:.2f} s, {steps} steps ({len(arrived)}/{len(side)})"


if __name__ == "__main__":
    app.run(main)
