"""The reference submission outside a trial, in a trial's surroundings: what benchmarks share."""

import os
import sys
from collections.abc import Callable

import jax
from absl import app

from algoperf_lite import hardware, stepping, submission
from algoperf_lite.spec import Workload


def run_pinned(main: Callable, module: str) -> None:
    """`app.run(main)` on the core that --core names (0; -1 is all), in a trial's environment.

    Both must be settled before JAX starts its threads, so the process replaces itself once.
    """
    if os.environ.get("GLIBC_TUNABLES") != hardware.ENVIRONMENT["GLIBC_TUNABLES"]:
        command = [sys.executable, "-m", module, *sys.argv[1:]]
        os.execve(sys.executable, command, hardware.environment(1, None))
    core = [arg.partition("=")[2] for arg in sys.argv if arg.startswith("--core=")]
    hardware.pin(() if core == ["-1"] else (int(core[0]) if core else 0,))
    app.run(main)


def stepper(
    workload: Workload, calibration: hardware.Calibration, steps_per_dispatch: int
) -> tuple[stepping.Training, stepping.NativeStepper, stepping.TrainState]:
    """The reference at its self-tuning point with seed 0, compiled, and its first state."""
    entry = submission.load(hardware.REFERENCE)
    traced, static = stepping.split_point(entry.self_tuning_point)
    training = stepping.Training(workload, entry, static)
    state = jax.jit(training.init)(traced, *stepping.init_model(workload, 0))
    batches = stepping.Batches(workload.num_train_examples, workload.batch_size, seed=0)
    data = jax.device_put(workload.dataset("train"))
    native = stepping.NativeStepper(
        training, traced, data, batches, calibration.mode, steps_per_dispatch
    )
    native.compile(state)
    return training, native, state
