"""Section "lite": a lite workload in every mode of stepping, under the ledger and bare."""

import functools
import statistics
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import workloads
from algoperf_lite.spec import PyTree
from algoperf_lite.submission import native
from algoperf_lite.training import compiled_steps, data_order, modes, native_stepper, train_step
from algoperf_lite.training.calibration import REFERENCE
from algoperf_lite.training.clock import Ledger
from studies.accelerator.findings import Say
from studies.measurements import bare_loops
from studies.measurements.bare_loops import Way

CHUNK = 16  # steps per dispatch, where a mode has several
_STEPS = 4 * CHUNK  # of one sample: about what lies between two evaluations
_TURNS = 5


def prepare(item: str, tiny: bool, say: Say) -> Callable[[], None]:
    """Compiles all ways of stepping the workload `item`; returns what times them in turns."""
    workload = workloads.load(item)
    steppers, state = _steppers(workload)
    ways: dict[str, Way] = {
        mode: _harness(stepper, _copied(state)) for mode, stepper in steppers.items()
    }
    ways["bare_jit"] = bare_loops.jit_loop(workload)
    ways["bare_scan"] = bare_loops.scan_loop(workload, CHUNK)
    for way in ways.values():
        way(0, CHUNK)  # the first call of a bare loop compiles it

    def measure() -> None:
        seconds = _in_turns(ways, 1 if tiny else _TURNS)
        bare = min(seconds["bare_jit"], seconds["bare_scan"])
        fastest = min(steppers, key=lambda mode: seconds[mode])
        say(
            params=workload.num_params,
            seconds=seconds,
            fastest=fastest,
            overhead=seconds[fastest] / bare,
            apart=_apart(steppers, state),
            budget_seconds=seconds[fastest] * workload.step_hint,
        )

    return measure


def _steppers(
    workload: Any,
) -> tuple[dict[str, native_stepper.NativeStepper], compiled_steps.TrainState]:
    """The reference's compiled steppers by mode, and its first state."""
    entry = native.load(REFERENCE)
    traced, static = train_step.split_point(entry.self_tuning_point)
    training = train_step.TrainStep(workload, entry, static)
    state = jax.jit(training.init)(traced, *train_step.init_model(workload, 0))
    batches = data_order.Batches(workload.num_train_examples, workload.batch_size, seed=0)
    data = jax.device_put(workload.dataset("train"))
    made = {}
    for mode in modes.modes_on(jax.default_backend()):
        made[mode] = native_stepper.NativeStepper(training, traced, data, batches, mode, CHUNK)
        made[mode].compile(state)
    return made, state


def _harness(stepper: native_stepper.NativeStepper, state: compiled_steps.TrainState) -> Way:
    """Steps on the submission's clock, as a trial books them."""

    def run(first_step: int, num_steps: int) -> float:
        nonlocal state
        ledger = Ledger(account="log")
        ledger.switch("update_params", state)
        state = stepper.advance(state, first_step, num_steps)
        ledger.switch("prepare_for_eval", state)
        ledger.switch("eval", stepper.prepare_for_eval(state, first_step + num_steps))
        return ledger.submission_seconds() / num_steps

    return run


def _in_turns(ways: dict[str, Way], turns: int) -> dict[str, float]:
    """Median seconds per step of each way."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, run in ways.items():
            # Steps of a harness's state go on, so its rows have to.
            sample = run(CHUNK + turn * _STEPS, _STEPS)
            if turn:  # the first turn only warms up
                found[name].append(sample)
    return {name: statistics.median(samples) for name, samples in found.items()}


def _apart(
    steppers: dict[str, native_stepper.NativeStepper], state: compiled_steps.TrainState
) -> dict[str, float]:
    """How far parameters after some steps are from those of single steps, per largest parameter.

    "again" is single steps once more: above 0, the device does not repeat its bits.
    """
    advanced = {
        mode: jax.device_get(stepper.advance(_copied(state), 0, _STEPS).params)
        for mode, stepper in steppers.items()
    }
    again = jax.device_get(steppers["single"].advance(_copied(state), 0, _STEPS).params)
    distance = functools.partial(_distance, advanced["single"])
    others = {mode: distance(params) for mode, params in advanced.items() if mode != "single"}
    return {"again": distance(again), **others}


def _distance(one: PyTree, other: PyTree) -> float:
    pairs = list(zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))
    largest = max(float(np.abs(a).max()) for a, _ in pairs)
    return max(float(np.abs(a.astype(np.float64) - b).max()) for a, b in pairs) / largest


def _copied(tree: PyTree) -> PyTree:
    return jax.block_until_ready(jax.tree.map(lambda leaf: leaf.copy(), tree))
