"""What the harness costs: its on-clock seconds per step over those of a bare loop.

For each workload, three ways to run the same steps (same model, batch size, data order, reference
submission) take turns in one process on one core: the harness under its ledger, a bare loop of
jitted steps, and a bare `lax.scan`. The ratio is to the faster of the two bare ones. Then a trial
of one step is run as the harness runs trials, from process start to first timed step.

    python -m studies.measurements.overhead
"""

import dataclasses
import functools
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from absl import flags

import workloads
from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.executors.job import Job
from algoperf_lite.machine import fingerprint
from algoperf_lite.spec import ForwardPassMode, Workload, hyperparameters
from algoperf_lite.submission import find, native
from algoperf_lite.training import calibration as training_calibration
from algoperf_lite.training import train_step
from algoperf_lite.training.clock import Ledger
from algoperf_lite.trial.spec import TrialSpec
from studies.measurements import reference

_WORKLOADS = flags.DEFINE_list("workloads", None, "Which; default: all.")
_REPEATS = flags.DEFINE_integer("repeats", 9, "Turns of each way.", lower_bound=5)
_SECONDS = flags.DEFINE_float("seconds", 1.0, "Length of a turn.")
flags.DEFINE_integer("core", 0, "The core to run on; -1 for all.")

NUM_EVALS = 40  # per step hint, as in a trial
FIRST_LOOK = 4  # steps
HOPELESS = 3.0  # times slower than a jitted step, so not measured further

Way = Callable[[int, int], float]  # (first step, number of steps) -> seconds per step


def main(argv: Sequence[str]) -> None:
    del argv
    print(
        f"{fingerprint.fingerprint()['device_kind']}, jax {jax.__version__}, "
        f"Python {platform.python_version()}, one turn is {_SECONDS.value:g} s"
    )
    print(
        "| workload | stepping | harness ms | bare jit ms | bare scan ms | ratio, median (range) |"
    )
    print("|---|---|---|---|---|---|")
    names = _WORKLOADS.value or workloads.names()
    for name in names:
        print(_steps_row(name), flush=True)
    print("\n| workload | process start to first timed step, s: nothing cached | programs cached |")
    print("|---|---|---|")
    for name in names:
        print(_start_row(name), flush=True)


def _steps_row(name: str) -> str:
    workload = workloads.load(name)
    calibration = training_calibration.calibrate(name, "lite")
    in_loop = calibration.mode == "loop"
    ways = {
        "harness": _harness(workload, calibration),
        "jit": _bare_jit(workload),
        "scan": _bare_scan(workload, calibration.steps_per_dispatch if in_loop else FIRST_LOOK),
    }
    looks = {way: [run(0, FIRST_LOOK), run(0, FIRST_LOOK)][1] for way, run in ways.items()}
    if looks["scan"] > HOPELESS * looks["jit"]:
        del ways["scan"]  # convolutions in a loop: the look is all there is time for
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    # As many steps as the harness takes between two evaluations, repeated to fill a turn.
    period = max(1, workload.step_hint // NUM_EVALS)
    for turn in range(_REPEATS.value + 1):
        for way, run in ways.items():
            taken, samples = 0.0, []
            while taken < _SECONDS.value:
                samples.append(run(len(samples) * period, period))
                taken += samples[-1] * period
            if turn:  # the first turn only warms up
                seconds[way].append(statistics.median(samples))
    bare = [min(times) for times in zip(*(seconds[w] for w in ways if w != "harness"), strict=True)]
    ratios = [ours / theirs for ours, theirs in zip(seconds["harness"], bare, strict=True)]
    ms = {way: f"{1e3 * statistics.median(seconds.get(way) or [looks[way]]):.3f}" for way in looks}
    spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})"
    return (
        f"| {name} | {calibration.mode} | {ms['harness']} | {ms['jit']} | {ms['scan']} | {spread} |"
    )


def _harness(workload: Workload, calibration: training_calibration.Calibration) -> Way:
    chunk = min(calibration.steps_per_dispatch, -(-workload.step_hint // NUM_EVALS))
    _, stepper, state = reference.stepper(workload, calibration, chunk)

    def run(first_step: int, num_steps: int) -> float:
        nonlocal state
        ledger = Ledger(account="log")
        ledger.switch("update_params", state)
        state = stepper.advance(state, first_step, num_steps)
        ledger.switch("prepare_for_eval", state)
        ledger.switch("eval", stepper.prepare_for_eval(state, first_step + num_steps))
        return ledger.submission_seconds() / num_steps

    return run


def _bare_step(workload: Workload, optimizer: Any, carry: Any, batch: Any) -> tuple[Any, Any]:
    """What a researcher would write for this workload without any harness."""
    params, model_state, optimizer_state, step = carry
    augment_key, model_key = jax.random.split(jax.random.fold_in(jax.random.key(0), step))
    batch = workload.augment(batch, augment_key)

    def loss_fn(params: Any) -> tuple[Any, Any]:
        logits, new_state = workload.model_fn(
            params, batch, model_state, ForwardPassMode.TRAIN, model_key, update_batch_norm=True
        )
        loss = workload.loss_fn(batch["targets"], logits)
        return loss["summed"] / loss["n_valid_examples"], new_state

    (loss, model_state), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
    updates, optimizer_state = optimizer.update(grads, optimizer_state, params)
    return (optax.apply_updates(params, updates), model_state, optimizer_state, step + 1), loss


def _bare(workload: Workload) -> tuple[Callable, Any, Any, Any]:
    entry = native.load(training_calibration.REFERENCE)
    optimizer = entry.transformation(workload, hyperparameters(entry.self_tuning_point))
    params, model_state = train_step.init_model(workload, 0)
    carry = (params, model_state, jax.jit(optimizer.init)(params), np.int32(0))
    data = jax.device_put(workload.dataset("train"))
    order = np.random.default_rng(0).permutation(workload.num_train_examples).astype(np.int32)
    return functools.partial(_bare_step, workload, optimizer), jax.device_put(carry), data, order


def _rows(order: np.ndarray, workload: Workload, step: int) -> np.ndarray:
    at = step % (len(order) // workload.batch_size) * workload.batch_size
    return order[at : at + workload.batch_size]


def _bare_jit(workload: Workload) -> Way:
    step_fn, carry, data, order = _bare(workload)

    @functools.partial(jax.jit, donate_argnums=0)
    def jitted(carry: Any, data: Any, rows: Any) -> Any:
        return step_fn(carry, jax.tree.map(lambda array: array[rows], data))

    def run(first_step: int, num_steps: int) -> float:
        nonlocal carry
        began = time.perf_counter()
        for step in range(first_step, first_step + num_steps):
            carry, _ = jitted(carry, data, _rows(order, workload, step))
        jax.block_until_ready(carry)
        return (time.perf_counter() - began) / num_steps

    return run


def _bare_scan(workload: Workload, length: int) -> Way:
    step_fn, carry, data, order = _bare(workload)

    @functools.partial(jax.jit, donate_argnums=0)
    def jitted(carry: Any, data: Any, rows: Any) -> Any:
        def body(carry: Any, row: Any) -> Any:
            return step_fn(carry, jax.tree.map(lambda array: array[row], data))

        return jax.lax.scan(body, carry, rows)

    def run(first_step: int, num_steps: int) -> float:
        nonlocal carry
        dispatches = max(1, num_steps // length)  # whole ones: a scan has one length
        began = time.perf_counter()
        for dispatch in range(dispatches):
            first = first_step + dispatch * length
            rows = np.stack([_rows(order, workload, first + i) for i in range(length)])
            carry, _ = jitted(carry, data, rows)
        jax.block_until_ready(carry)
        return (time.perf_counter() - began) / (dispatches * length)

    return run


def _start_row(name: str) -> str:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for attempt in ("cold", "warm"):
            spec = TrialSpec(
                submission=str(find.locate(training_calibration.REFERENCE)),
                workload=name,
                scale="lite",
                study=0,
                trial=1,
                experiment_seed=0,
                ruleset=tuning.Ruleset("self", 1, 1, 1.0),
                directory=str(Path(folder) / attempt),
                max_global_steps=1,
            )
            job = Job(
                name=name,
                module="algoperf_lite.trial.run",
                payload={"spec": dataclasses.asdict(spec)},
                cache=Path(folder) / "compiled",
            )
            ((_, outcome),) = local.local(1, 1).run([job])
            ledger = outcome.result["ledger"]
            found.append(ledger["setup"] + ledger["init"] + ledger["compile"])
    return f"| {name} | {found[0]:.1f} | {found[1]:.1f} |"


if __name__ == "__main__":
    reference.run_pinned(main, "studies.measurements.overhead")
