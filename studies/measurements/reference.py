"""The reference submission outside a trial, in a trial's surroundings: what benchmarks share."""

import os
import sys
from collections.abc import Callable

import jax
from absl import app

from algoperf_lite.machine import environment
from algoperf_lite.spec import Workload
from algoperf_lite.submission import native as submission_native
from algoperf_lite.training import train_step
from algoperf_lite.training.calibration import REFERENCE, Calibration


def run_pinned(main: Callable, module: str) -> None:
    """`app.run(main)` on the core that --core names (0; -1 is all), in a trial's environment.

    Both must be settled before JAX starts its threads, so the process replaces itself once.
    """
    if os.environ.get("GLIBC_TUNABLES") != environment.ENVIRONMENT["GLIBC_TUNABLES"]:
        command = [sys.executable, "-m", module, *sys.argv[1:]]
        os.execve(sys.executable, command, environment.environment(1, None))
    core = [arg.partition("=")[2] for arg in sys.argv if arg.startswith("--core=")]
    environment.pin(() if core == ["-1"] else (int(core[0]) if core else 0,))
    app.run(main)


def stepper(
    workload: Workload, calibration: Calibration, steps_per_dispatch: int
) -> tuple[train_step.TrainStep, train_step.NativeStepper, train_step.TrainState]:
    """The reference at its self-tuning point with seed 0, compiled, and its first state."""
    entry = submission_native.load(REFERENCE)
    traced, static = train_step.split_point(entry.self_tuning_point)
    training = train_step.TrainStep(workload, entry, static)
    state = jax.jit(training.init)(traced, *train_step.init_model(workload, 0))
    batches = train_step.Batches(workload.num_train_examples, workload.batch_size, seed=0)
    data = jax.device_put(workload.dataset("train"))
    native = train_step.NativeStepper(
        training, traced, data, batches, calibration.mode, steps_per_dispatch
    )
    native.compile(state)
    return training, native, state
