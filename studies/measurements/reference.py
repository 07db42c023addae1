"""The reference submission as a trial has it, outside of one: what measurements share."""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.experiment import jobs
from algoperf_lite.machine import devices, environment
from algoperf_lite.spec import Workload
from algoperf_lite.storage import cache
from algoperf_lite.submission import find
from algoperf_lite.submission import native as submission_native
from algoperf_lite.training import data_order, native_stepper, train_step
from algoperf_lite.training.calibration import REFERENCE, Calibration
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs.format import ON_CLOCK


def add_core_flag(parser: argparse.ArgumentParser) -> None:
    """Adds --core, for `pin`."""
    parser.add_argument("--core", type=int, default=0, help="where to run; -1 for all cores")


def pin(core: int) -> None:
    """Gives this process a trial's environment and one core (-1 leaves it all).

    The process replaces itself once, since glibc reads its settings at the start only. Call it
    first: JAX keeps the threads that it has once it has computed something.
    """
    if os.environ.get("GLIBC_TUNABLES") != environment.ENVIRONMENT["GLIBC_TUNABLES"]:
        # Without persisted programs: compilation is what some of the measurements are of.
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, environment.environment(1, None))
    # Beside an accelerator, compilation, autotuning and dispatch would share the one core.
    environment.pin(() if core < 0 or devices.has_accelerator() else (core,))


def stepper(
    workload: Workload, mode: str, steps_per_dispatch: int
) -> tuple[train_step.TrainStep, native_stepper.NativeStepper, train_step.TrainState]:
    """The reference at its self-tuning point with seed 0, compiled, and its first state."""
    entry = submission_native.load(REFERENCE)
    traced, static = train_step.split_point(entry.self_tuning_point)
    training = train_step.TrainStep(workload, entry, static)
    state = jax.jit(training.init)(traced, *train_step.init_model(workload, 0))
    batches = data_order.Batches(workload.num_train_examples, workload.batch_size, seed=0)
    # As calibration does it, so that the first batch is not the one that copies the data.
    data = jax.device_put(workload.dataset("train"))
    native = native_stepper.NativeStepper(training, traced, data, batches, mode, steps_per_dispatch)
    native.compile(state)
    return training, native, state


@contextlib.contextmanager
def no_programs() -> Iterator[Path]:
    """A temporary folder, and the cache in it instead of the user's: with the user's data and
    calibrations, as making those is not what is measured, and without compiled programs."""
    users = os.environ.get("XDG_CACHE_HOME")
    kept = {name: cache.folder() / name for name in ("data", "calibration")}
    with tempfile.TemporaryDirectory() as folder:
        # Child processes inherit it, which is how a trial comes to an empty cache.
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        try:
            cache.folder().mkdir(parents=True)
            for name, path in kept.items():
                path.mkdir(parents=True, exist_ok=True)
                (cache.folder() / name).symlink_to(path)
            yield Path(folder)
        finally:
            del os.environ["XDG_CACHE_HOME"]
            if users is not None:
                os.environ["XDG_CACHE_HOME"] = users


def trial(
    name: str,
    num_steps: int,
    directory: Path,
    calibration: Calibration | None = None,
    study: int = 0,
) -> dict[str, Any]:
    """The record of a trial of the reference, run as `run` runs it: on the core of this process.

    `calibration` says how it steps; by default it does so one by one.
    """
    [(_, record)] = jobs.run(
        [spec(name, num_steps, directory, calibration, study)], local.local(1, 1)
    )
    if record["status"] != "not_reached":
        raise RuntimeError(f"a trial of {name} {record['status']}: {record['error']}")
    return record


def spec(
    name: str,
    num_steps: int,
    directory: Path,
    calibration: Calibration | None = None,
    study: int = 0,
) -> TrialSpec:
    """The same trial, not run."""
    stepping = {}
    if calibration is not None:
        stepping = {
            "stepping_mode": calibration.mode,
            "steps_per_dispatch": calibration.steps_per_dispatch,
        }
    return TrialSpec(
        submission=str(find.locate(REFERENCE)),
        workload=name,
        study=study,
        trial=1,
        directory=str(directory),
        max_global_steps=num_steps,
        # It stops for steps alone: a target would end it before it is long enough to measure.
        config=ExperimentConfig(ruleset=tuning.Ruleset("self", 1, 1, 1.0), stop_at_target=False),
        **stepping,
    )


def seconds_per_step(record: Mapping[str, Any]) -> float:
    """On the clock, without the import of the submission and its first state: that is made once,
    and what a step costs is the question."""
    ledger = record["ledger"]
    return sum(ledger[account] for account in ON_CLOCK if account != "init") / record["steps"]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """'1.012 (0.998-1.030)': the median of the turns' ratios, and their range."""
    found = [one / other for one, other in zip(ours, theirs, strict=True)]
    return f"{statistics.median(found):.3f} ({min(found):.3f}-{max(found):.3f})"
