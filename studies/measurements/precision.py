"""The cost of a lower precision in steps: the same runs in each precision, to the same metric.

The reference trains each workload for one step hint, with the same seeds in each precision. The
goal is the worst of the best values of float32's seeds, so that all of those reach it; the table
has the median of the steps at which it is first met. Runs are kept; the same command continues.

    python -m studies.measurements.precision --workloads=digits,criteo1tb,ogbg

On a CPU, bfloat16 is simulated: what it costs in steps is real, its seconds say nothing.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

import workloads
from algoperf_lite import api
from algoperf_lite.experiment.progress import ExperimentProgress
from algoperf_lite.machine.numerics import PRECISIONS
from algoperf_lite.training.calibration import REFERENCE
from scoring.benchmark import LOWER_IS_BETTER
from scoring.logs.read import Trial, read
from studies import script

EXACT = "float32"
SMOKE = {
    "workloads": ["digits"],
    "num_seeds": 1,
    "max_global_steps": 16,
    "output_dir": script.SMOKE_FOLDER / "precision",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is trained in which precisions, and where runs are kept."""
    add = parser.add_argument
    add("--workloads", type=script.listed(), default=workloads.names(), help="default: all")
    add("--precisions", type=script.listed(), default=["bfloat16"], help=f"beside {EXACT}")
    add("--num_seeds", type=int, default=3)
    add("--max_global_steps", type=int, help="a further limit, for a quick look")
    add("--num_workers", type=int, help="side by side; default: as many as fit")
    add("--output_dir", type=Path, default=Path("runs/precision"), help="where runs are kept")


def run(arguments: argparse.Namespace) -> None:
    """Trains what is not trained yet and prints the table, a workload at a time."""
    precisions = [name for name in PRECISIONS if name in (EXACT, *arguments.precisions)]
    columns = " | ".join(f"{name}: reached, steps, best" for name in precisions)
    print(f"| workload | goal | {columns} | ratio of steps |")
    print("|---|---" + "|---" * (len(precisions) + 1) + "|")
    for name in arguments.workloads:
        # An experiment has one precision, so each has a directory of its own.
        trials = {
            precision: _trials(name, precision, arguments.output_dir / precision / name, arguments)
            for precision in precisions
        }
        print(row(name, workloads.load(name).target_metric_name, trials), flush=True)


def _trials(
    workload: str, precision: str, folder: Path, arguments: argparse.Namespace
) -> list[Trial]:
    """A workload's runs of the reference in one precision, trained together."""
    with ExperimentProgress(Console(stderr=True)) as progress:
        found = api.run(
            [REFERENCE],
            [workload],
            output_dir=folder,
            reporter=progress,
            precision=precision,
            tuning_ruleset="self",
            num_studies=arguments.num_seeds,
            vectorize="trials",
            budget_by="steps",
            budgets=[1.0],
            max_global_steps=arguments.max_global_steps,
            num_workers=arguments.num_workers,
        )
    for trial in found.rows:
        if trial.error is not None:
            raise RuntimeError(f"{trial.directory} failed: {trial.error}")
    return list(read(folder, {workload: workloads.load(workload).target_metric_name})[0])


def row(workload: str, metric: str, trials: Mapping[str, Sequence[Trial]]) -> str:
    """A line of the table; `trials` by precision, among them float32."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    bests = {
        precision: [sign * np.nanmax(sign * one.metric) for one in runs]
        for precision, runs in trials.items()
    }
    goal = sign * min(sign * best for best in bests[EXACT])
    medians, cells = {}, []
    for precision, runs in trials.items():
        reached = [steps for one in runs if (steps := _steps(one, sign, goal)) is not None]
        medians[precision] = statistics.median(reached) if 2 * len(reached) > len(runs) else None
        steps = "-" if medians[precision] is None else f"{medians[precision]:g}"
        best = statistics.median(bests[precision])
        cells.append(f"{len(reached)}/{len(runs)}, {steps}, {best:.4g}")
    ratios = [
        "-" if steps is None else f"{steps / medians[EXACT]:.2f}"
        for precision, steps in medians.items()
        if precision != EXACT
    ]
    return f"| {workload} | {metric} {goal:.4g} | {' | '.join(cells)} | {', '.join(ratios)} |"


def _steps(trial: Trial, sign: int, goal: float) -> int | None:
    """The step at which a run first meets the goal; None where it never does."""
    met = np.flatnonzero(sign * trial.metric >= sign * goal)
    return int(trial.steps[met[0]]) if len(met) else None


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
