"""The worth of training together: a ruleset's trials as populations, against a process each.

For each workload the same trials of the reference run twice on the same cores, from process start
to last record, each time with an empty cache of programs: once one after another on each core, once
with --vectorize=trials. Budgets are in steps, so that both do the same work. The parts are summed
over processes, from the trials' ledgers.

    python -m studies.measurements.vectorize
"""

import argparse
import dataclasses
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite import tuning
from algoperf_lite.executors import job, local
from algoperf_lite.experiment import jobs, plan
from algoperf_lite.experiment import run as experiment_run
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.submission import find
from algoperf_lite.training.calibration import REFERENCE
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec
from scoring import benchmark
from studies import script
from studies.measurements import reference

# Accounts of the ledger that belong together, in the order of the table.
PARTS = {
    "process starts, setup": ("setup",),
    "compile": ("compile",),
    "steps": ("init", "data_selection", "update_params", "prepare_for_eval"),
    "evals, logs": ("eval", "log", "checkpoint"),
}
LIMITS = jobs.Limits(
    heartbeat_timeout=600.0
)  # seconds of silence: one process compiles for many trials
SMOKE = {"workloads": ["digits"], "num_studies": 1, "num_tuning_trials": 2, "max_global_steps": 4}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the trials that are run in both ways."""
    add = parser.add_argument
    add("--workloads", type=script.listed(), default=["digits", "finewebedu_lm"])
    add("--num_studies", type=int, default=3)
    add("--num_tuning_trials", type=int, default=5, help="per study")
    add("--max_global_steps", type=int, help="a further limit, for a quick look")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    here = local.local(1, None)
    ruleset = tuning.Ruleset(
        "external", arguments.num_studies, arguments.num_tuning_trials, slack=1.0
    )
    print(
        f"{ruleset.num_studies} x {ruleset.num_trials} trials of {REFERENCE}, "
        f"{here.num_slots} workers"
    )
    print(f"| workload | trials | wall s | {' | '.join(PARTS)} | ratio of walls |")
    print("|---|---" + "|---" * (len(PARTS) + 2) + "|")
    for name in arguments.workloads:
        trials = _trials(name, ruleset, arguments.max_global_steps, here)
        walls = []
        for kind in ("one by one", "together"):
            wall, records = _timed(trials, here, vectorize=kind == "together")
            walls.append(wall)
            parts = " | ".join(f"{_seconds(records, part):.1f}" for part in PARTS.values())
            ratio = f"{walls[0] / wall:.2f}" if len(walls) > 1 else ""
            print(f"| {name} | {kind} | {wall:.1f} | {parts} | {ratio} |", flush=True)


def _trials(
    name: str, ruleset: tuning.Ruleset, max_global_steps: int | None, here: job.Executor
) -> list[TrialSpec]:
    """All trials of the reference on a workload."""
    # In steps, so that both ways do the same work.
    settings = ExperimentConfig(
        "lite", "lite", ruleset, budget_by="steps", max_global_steps=max_global_steps
    )
    entry = Contender(str(find.locate(REFERENCE)))
    targets = {name: benchmark.load("lite").workloads[name].value}
    planned = plan.Experiment(Path("."), settings, (entry,), (name,), targets)
    # Known calibrations are used, as both ways would make the same one.
    return planned.plan(dict(experiment_run.calibrate([name], "lite", here)))


def _timed(
    trials: Iterable[TrialSpec], here: job.Executor, vectorize: bool
) -> tuple[float, list[dict[str, Any]]]:
    """(wall seconds, records) of the trials, from an empty cache of programs."""
    with reference.no_programs() as folder:
        moved = [
            dataclasses.replace(trial, directory=f"{folder}/{trial.directory}") for trial in trials
        ]
        began = time.monotonic()
        ended = list(jobs.run(moved, here, vectorize=vectorize, limits=LIMITS))
        wall = time.monotonic() - began
    # A trial that ended early would make its way look fast.
    failed = [record for _, record in ended if record["status"] not in ("reached", "not_reached")]
    if failed:
        raise RuntimeError(f"{len(failed)} trials failed, the first: {failed[0]['error']}")
    return wall, [record for _, record in ended]


def _seconds(records: Sequence[dict[str, Any]], accounts: Sequence[str]) -> float:
    return sum(record["ledger"][account] for record in records for account in accounts)


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
