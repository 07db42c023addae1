"""The reference submission as a trial has it, outside of one: what measurements share."""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax

from algoperf_lite.machine import devices, environment
from algoperf_lite.spec import Workload
from algoperf_lite.storage import cache
from algoperf_lite.submission import native as submission_native
from algoperf_lite.training import data_order, native_stepper, train_step
from algoperf_lite.training.calibration import REFERENCE, Calibration


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
    workload: Workload, calibration: Calibration, steps_per_dispatch: int
) -> tuple[train_step.TrainStep, native_stepper.NativeStepper, train_step.TrainState]:
    """The reference at its self-tuning point with seed 0, compiled, and its first state."""
    entry = submission_native.load(REFERENCE)
    traced, static = train_step.split_point(entry.self_tuning_point)
    training = train_step.TrainStep(workload, entry, static)
    state = jax.jit(training.init)(traced, *train_step.init_model(workload, 0))
    batches = data_order.Batches(workload.num_train_examples, workload.batch_size, seed=0)
    # As calibration does it, so that the first batch is not the one that copies the data.
    data = jax.device_put(workload.dataset("train"))
    native = native_stepper.NativeStepper(
        training, traced, data, batches, calibration.mode, steps_per_dispatch
    )
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
