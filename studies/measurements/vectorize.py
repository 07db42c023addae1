"""What training together is worth: a ruleset's trials as populations, against a process each.

For each workload the same trials of the reference run twice on the same cores, from process start
to last record, each time with an empty cache of programs: once one after another on each core, once
with --vectorize=trials. Budgets are in steps, so that both do the same work. The parts are summed
over processes, from the trials' ledgers.

    python -m studies.measurements.vectorize

With --members the second table alone: seconds per step and member of chunks of these sizes, in this
process; on a GPU, where large chunks are meant to win, with --core=-1.

    python -m studies.measurements.vectorize --members=1,2,4,8,16,32,64 --core=-1
"""

import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
from absl import app, flags

import workloads
from algoperf_lite import tuning
from algoperf_lite.executors import job, local
from algoperf_lite.experiment import jobs, plan, run
from algoperf_lite.experiment.config import ExperimentConfig
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.machine import fingerprint
from algoperf_lite.population import chunk_size
from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.storage import cache
from algoperf_lite.submission import find, native
from algoperf_lite.training import calibration as training_calibration
from algoperf_lite.training import train_step
from algoperf_lite.trial.spec import TrialSpec
from scoring import benchmark
from studies.measurements import reference

_WORKLOADS = flags.DEFINE_list("workloads", ["digits", "finewebedu_lm"], "Which.")
_STUDIES = flags.DEFINE_integer("num_studies", 3, "Studies.", lower_bound=1)
_TRIALS = flags.DEFINE_integer("num_tuning_trials", 5, "Trials per study.", lower_bound=1)
_STEPS = flags.DEFINE_integer("max_global_steps", None, "A further limit, for a quick look.")
_MEMBERS = flags.DEFINE_list("members", None, "Sizes of chunks; makes the second table alone.")
flags.DEFINE_integer("core", 0, "The core for the second table; -1 for all.")

PARTS = {
    "process starts, setup": ("setup",),
    "compile": ("compile",),
    "steps": ("init", "data_selection", "update_params", "prepare_for_eval"),
    "evals, logs": ("eval", "log", "checkpoint"),
}
CARE = jobs.Limits(heartbeat_timeout=600.0)


def main(argv: Sequence[str]) -> None:
    del argv
    if _MEMBERS.value is not None:
        _members_table()
        return
    here = local.local(1, None)
    print(
        f"{_STUDIES.value} x {_TRIALS.value} trials of {training_calibration.REFERENCE}, "
        f"{here.num_slots} workers"
    )
    print(f"| workload | trials | wall s | {' | '.join(PARTS)} | ratio of walls |")
    print("|---|---" + "|---" * (len(PARTS) + 2) + "|")
    for name in _WORKLOADS.value:
        trials = _trials(name, here)
        walls = []
        for kind in ("one by one", "together"):
            wall, records = _timed(trials, here, vectorize=kind == "together")
            walls.append(wall)
            parts = " | ".join(f"{_seconds(records, part):.1f}" for part in PARTS.values())
            ratio = f"{walls[0] / wall:.2f}" if len(walls) > 1 else ""
            print(f"| {name} | {kind} | {wall:.1f} | {parts} | {ratio} |", flush=True)


def _trials(name: str, here: job.Executor) -> list[TrialSpec]:
    """All trials of the reference on a workload, under the external ruleset."""
    goal = benchmark.load("lite")
    ruleset = tuning.Ruleset("external", _STUDIES.value, _TRIALS.value, 1.0)
    settings = ExperimentConfig(
        "lite", "lite", ruleset, budget_by="steps", max_global_steps=_STEPS.value
    )
    entry = Contender(str(find.locate(training_calibration.REFERENCE)))
    targets = {name: goal.workloads[name].value}
    planned = plan.Experiment(Path("."), settings, (entry,), (name,), targets)
    return planned.plan(dict(run.calibrate([name], "lite", here)))


def _timed(
    trials: Iterable[TrialSpec], here: job.Executor, vectorize: bool
) -> tuple[float, list[dict[str, Any]]]:
    """(wall seconds, records) of the trials, from an empty cache of programs."""
    users = os.environ.get("XDG_CACHE_HOME")
    data = cache.folder() / "data"
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        moved = [
            dataclasses.replace(trial, directory=f"{folder}/{trial.directory}") for trial in trials
        ]
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        cache.folder().mkdir(parents=True)
        (cache.folder() / "data").symlink_to(data)  # data are kept, only programs are not
        began = time.monotonic()
        ended = list(jobs.run(moved, here, vectorize=vectorize, limits=CARE))
        wall = time.monotonic() - began
    del os.environ["XDG_CACHE_HOME"]
    if users is not None:
        os.environ["XDG_CACHE_HOME"] = users
    failed = [record for _, record in ended if record["status"] not in ("reached", "not_reached")]
    if failed:
        raise RuntimeError(f"{len(failed)} trials failed, the first: {failed[0]['error']}")
    return wall, [record for _, record in ended]


def _seconds(records: Sequence[dict[str, Any]], accounts: Sequence[str]) -> float:
    return sum(record["ledger"][account] for record in records for account in accounts)


def _members_table() -> None:
    print(
        f"{fingerprint.fingerprint()['device_kind']}, jax {jax.__version__}: ms per step and member"
    )
    sizes = [int(size) for size in _MEMBERS.value]
    print(f"| workload | stepping | {' | '.join(f'{size} together' for size in sizes)} |")
    print("|---|---" + "|---" * len(sizes) + "|")
    for name in _WORKLOADS.value:
        calibration = training_calibration.calibrate(name, "lite")
        found = [_member_seconds(name, calibration, size) for size in sizes]
        cells = " | ".join(f"{1e3 * seconds:.3f}" for seconds in found)
        print(f"| {name} | {calibration.mode} | {cells} |", flush=True)


def _member_seconds(name: str, calibration: training_calibration.Calibration, size: int) -> float:
    """Seconds per step and member of `size` members in one chunk."""
    workload, entry = workloads.load(name), native.load(training_calibration.REFERENCE)
    training = train_step.TrainStep(workload, entry)
    points = [entry.self_tuning_point] * size
    traced = population_stepper.stacked_points(points)
    initial, init = train_step.model_initializer(workload), jax.jit(training.init)
    states = [
        init({name: values[i] for name, values in traced.items()}, *initial(i)) for i in range(size)
    ]
    stepper = population_stepper.stepper(
        training,
        jax.device_put(workload.dataset("train")),
        [
            train_step.Batches(workload.num_train_examples, entry.batch_size(workload), seed)
            for seed in range(size)
        ],
        calibration.mode,
        calibration.steps_per_dispatch,
        MemberSharding(size, size),
    )
    population = stepper.population(states, traced)
    stepper.compile(population)
    return chunk_size.member_seconds(stepper, population)


if __name__ == "__main__":
    if any(argument.startswith("--members") for argument in sys.argv):
        reference.run_pinned(main, "studies.measurements.vectorize")
    else:
        app.run(main)
