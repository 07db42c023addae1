"""The seconds of a step in each mode of stepping, and in a device loop with a traced bound.

The reference takes the same steps in turns, all in one process: single steps, a scan of static
length, a few steps unrolled, and a loop whose number of steps is an argument. The last one serves
every number of steps with one program; XLA's GPU backend asks the host before each of its steps
whether there is another. What is slower than `SLOWDOWN_CUTOFF` of the fastest is looked at once.

    python -m studies.measurements.stepping_modes
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import workloads
from algoperf_lite.machine import fingerprint
from algoperf_lite.submission import native
from algoperf_lite.training import compiled_steps, data_order, native_stepper, streams, train_step
from algoperf_lite.training.calibration import REFERENCE
from studies import script
from studies.measurements import reference

Run = Callable[[int], float]  # number of steps -> seconds per step
SLOWDOWN_CUTOFF = 3.0  # times slower than the fastest way
WAYS = (*compiled_steps.MODES, "traced_bound")
SMOKE = {"workloads": ["digits"], "turns": 1, "seconds": 0.05, "length": 4, "core": 0}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is trained, how often and how long."""
    add = parser.add_argument
    add("--workloads", type=script.listed(), default=workloads.names(), help="default: all")
    add("--turns", type=int, default=7, help="of each way")
    add("--seconds", type=float, default=0.4, help="length of a turn")
    add("--length", type=int, default=8, help="steps of a scan, and of a loop")
    add("--ways", type=script.listed(), default=WAYS, help="default: all")
    add("--processor_time", action="store_true", help="for a CPU that does other work meanwhile")
    reference.add_core_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    reference.pin(arguments.core)
    print(f"{fingerprint.fingerprint()['device_kind']}, jax {jax.__version__}: ms per step")
    ways = arguments.ways
    print(f"| workload | {' | '.join(ways)} | scan / traced bound, median (range) |")
    print("|---" * (len(ways) + 2) + "|")
    for name in arguments.workloads:
        print(_row(name, arguments), flush=True)


def _row(name: str, arguments: argparse.Namespace) -> str:
    now = time.process_time if arguments.processor_time else time.perf_counter
    ways = {way: _way(name, way, arguments.length, now) for way in arguments.ways}
    looks = {way: take(arguments.length) for way, take in ways.items()}
    limit = SLOWDOWN_CUTOFF * min(looks.values())
    times: dict[str, list[float]] = {way: [] for way in ways if looks[way] <= limit}
    for _ in range(arguments.turns):
        for way in times:
            dispatches = max(1, round(arguments.seconds / looks[way] / arguments.length))
            times[way].append(ways[way](dispatches * arguments.length))
    cells = [f"{1e3 * statistics.median(times.get(way, [looks[way]])):.3f}" for way in ways]
    ratios = [
        scan / loop
        for scan, loop in zip(times.get("scan", []), times.get("traced_bound", []), strict=False)
    ] or [looks.get("scan", np.nan) / looks.get("traced_bound", np.nan)]
    range_ = f"{min(ratios):.3f}-{max(ratios):.3f}"
    return f"| {name} | {' | '.join(cells)} | {statistics.median(ratios):.3f} ({range_}) |"


def _way(name: str, way: str, length: int, now: Callable[[], float]) -> Run:
    """Steps of the reference one way, compiled; they go on where the last ones ended."""
    workload, entry = workloads.load(name), native.load(REFERENCE)
    traced, static = train_step.split_point(entry.self_tuning_point)
    training = train_step.TrainStep(workload, entry, static)
    state = jax.jit(training.init)(traced, *train_step.init_model(workload, 0))
    batches = data_order.Batches(workload.num_train_examples, workload.batch_size, seed=0)
    data = jax.device_put(workload.dataset("train"))
    if way == "traced_bound":
        advance = _looped(training, state, traced, data, batches, length)
    else:
        stepper = native_stepper.NativeStepper(training, traced, data, batches, way, length)
        stepper.compile(state)
        advance = stepper.advance
    step = 0

    def take(num_steps: int) -> float:
        nonlocal state, step
        began = now()
        state = jax.block_until_ready(advance(state, step, num_steps))
        step += num_steps
        return (now() - began) / num_steps

    return take


def _looped(
    training: train_step.TrainStep,
    state: train_step.TrainState,
    traced: Any,
    data: Any,
    batches: data_order.Batches,
    length: int,
) -> Callable[[train_step.TrainState, int, int], train_step.TrainState]:
    """`advance` by dispatches of `length` steps in a loop whose bound is an argument."""
    seed = np.uint32(batches.seed)

    @functools.partial(jax.jit, donate_argnums=0)
    def looped(state: Any, traced: Any, seed: Any, data: Any, rows: Any, count: Any) -> Any:
        def body(i: Any, state: Any) -> Any:
            batch = compiled_steps.gathered(data, rows[i])
            return training.step(state, traced, batch, streams.step_key(seed, state.step))

        return jax.lax.fori_loop(0, count, body, state)

    rows = batches.indices(0, length)
    compiled = looped.lower(state, traced, seed, data, rows, np.int32(length)).compile()

    def advance(state: Any, first_step: int, num_steps: int) -> Any:
        for start in range(first_step, first_step + num_steps, length):
            rows = batches.indices(start, length)
            state = compiled(state, traced, seed, data, rows, np.int32(length))
        return state

    return advance


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
