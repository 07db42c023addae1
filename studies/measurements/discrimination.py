"""Steps to target of good and of bad algorithms: do the workloads tell them apart?

Per workload: the reference at its self-tuning point (read from an experiment's directory), the same
at a tenth and at ten times the learning rate, and nesterov at the best point that target setting
found for it. Budget 1.5 step hints, in steps. Runs are kept; the same command continues.

    algoperf-lite run --submissions=nadamw --workloads=all --tuning_ruleset=self --num_studies=5
    python -m studies.measurements.discrimination --experiment_dir=runs/experiment
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

import workloads
from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.experiment import run as experiment_run
from algoperf_lite.experiment.progress import ExperimentProgress
from algoperf_lite.submission import find, native
from algoperf_lite.training.calibration import REFERENCE, Calibration
from algoperf_lite.trial import logs
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec
from scoring import benchmark
from scoring.benchmark import Target
from studies import script

# AlgoPerf's budget of self-tuning submissions.
RULESET = tuning.Ruleset("self", 3, 1, 1.5)
CONFIG = ExperimentConfig("lite", "lite", RULESET, budget_by="steps")
# A factor of ten on either side: a workload that does not mind it measures nothing.
RATES = {"rate_tenth": 0.1, "rate_tenfold": 10.0}
SMOKE = {
    "workloads": ["digits"],
    "num_seeds": 1,
    "output_dir": script.SMOKE_FOLDER / "discrimination",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is trained how often, and where runs are."""
    add = parser.add_argument
    add("--workloads", type=script.listed(), default=workloads.names(), help="default: all")
    add("--experiment_dir", type=Path, default=Path("runs/experiment"), help="has the reference")
    add("--output_dir", type=Path, default=Path("runs/discrimination"), help="where runs are kept")
    add("--num_seeds", type=int, default=3, help="of the entries beside the reference")


def run(arguments: argparse.Namespace) -> None:
    """Trains what is not trained yet and prints the table."""
    names, folder = arguments.workloads, arguments.output_dir
    targets = benchmark.load("lite").workloads
    # By steps: whether a target is reached is to be the same on every machine.
    settings = CONFIG

    def plan(calibrations: Mapping[str, Calibration]) -> list[TrialSpec]:
        # A seed of all entries before the next seed, so that an early look is a fair one.
        return [
            trial
            for study in range(arguments.num_seeds)
            for name in names
            for trial in _trials(folder, name, targets[name], calibrations[name], study)
        ]

    with ExperimentProgress(Console()) as progress:
        here = local.local(1, None)
        trials = experiment_run.run(folder, settings, names, plan, here, progress)
    print("| workload | target | nadamw | CV | rate / 10 | rate x 10 | nesterov, tuned |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        found = arguments.experiment_dir.glob(f"{REFERENCE}/study_*/{name}_jax/trial_1")
        print(_row(name, targets[name], sorted(found), trials))


def _trials(
    folder: Path,
    name: str,
    target: Target,
    calibration: Calibration,
    study: int,
) -> list[TrialSpec]:
    """One trial of each entry beside the reference."""
    reference = native.load(REFERENCE).self_tuning_point
    points = {
        label: ("nadamw", {**reference, "learning_rate": factor * reference["learning_rate"]})
        for label, factor in RATES.items()
    }
    # Tuned at three quarters of the hint, so a late arrival may be the fault of its schedule.
    origin = benchmark.provenance("lite")[name]
    nesterov = origin["best_of_points"]["nesterov"]["hyperparameters"]
    points["nesterov_tuned"] = ("nesterov", nesterov)
    return [
        TrialSpec(
            submission=str(find.locate(entry)),
            entry=label,
            workload=name,
            study=study,
            trial=1,
            config=CONFIG,
            directory=str(folder / label / f"study_{study}" / f"{name}_jax" / "trial_1"),
            target=target.value,
            max_global_steps=round(RULESET.slack * target.step_hint),
            stepping_mode=calibration.mode,
            steps_per_dispatch=calibration.steps_per_dispatch,
            hyperparameters=point,
        )
        for label, (entry, point) in points.items()
    ]


def _row(
    name: str,
    target: Target,
    references: Sequence[Path],
    trials: Sequence[TrialSpec],
) -> str:
    """A line of the table; `references` are the directories of the reference's trials."""
    steps = {"reference": [_steps(directory) for directory in references]}
    for label in (*RATES, "nesterov_tuned"):
        directories = [Path(t.directory) for t in trials if t.workload == name]
        steps[label] = [_steps(d) for d in directories if label in d.parts]
    reached = [count for count in steps["reference"] if count is not None]
    spread = "-"
    # One value has no spread.
    if len(reached) > 1:
        spread = f"{statistics.stdev(reached) / statistics.mean(reached):.0%}"
    hint = target.step_hint
    cells = {label: _cell(counts, hint) for label, counts in steps.items()}
    goal = f"{target.metric} {target.value:.4g}"
    others = " | ".join(cells[label] for label in (*RATES, "nesterov_tuned"))
    return f"| {name} | {goal} | {cells['reference']} | {spread} | {others} |"


def _steps(directory: Path) -> int | None:
    record = logs.read_record(directory)
    if record is None:
        raise ValueError(f"{directory} has no finished trial; run the experiment to its end first")
    return record["steps_to_target"]


def _cell(counts: Sequence[int | None], hint: int) -> str:
    """'5/5: 640 (0.53)': how many reached the target, median steps, as a share of the hint."""
    reached = sorted(count for count in counts if count is not None)
    text = f"{len(reached)}/{len(counts)}"
    if not reached:
        return text
    # The median of all trials where one exists; those that did not reach it come last.
    middle = (len(counts) - 1) // 2
    if middle >= len(reached):
        return f"{text}: best {reached[0]} ({reached[0] / hint:.2f})"
    return f"{text}: {reached[middle]} ({reached[middle] / hint:.2f})"


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
