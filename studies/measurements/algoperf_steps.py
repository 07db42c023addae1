"""What the harness adds to a step of a file in AlgoPerf's form, and what an eager call costs.

First table, in one process on one core: `AlgoPerf.advance` under its ledger, and a bare loop that
gathers a batch and calls the same file's `update_params`, take the same steps in turns. Second
table: `workload.model_fn` called outside of `jax.jit`, as the workload itself has it (hundreds of
operations one by one), as a file is handed it, and as a program that the file jits itself.

    python -m studies.measurements.algoperf_steps
"""

import argparse
import functools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

import workloads
from algoperf_lite import spec as algoperf_spec
from algoperf_lite import tuning
from algoperf_lite.spec import ForwardPassMode, Workload
from algoperf_lite.submission import algoperf, find
from algoperf_lite.submission import native as submission_native
from algoperf_lite.submission.algoperf_view import AlgoPerfView
from algoperf_lite.training import train_step
from algoperf_lite.training.clock import Ledger
from algoperf_lite.trial import setup
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.forms import algoperf_stepper
from algoperf_lite.trial.forms.algoperf import AlgoPerf
from algoperf_lite.trial.forms.algoperf_pipeline import PmapLayout
from algoperf_lite.trial.spec import TrialSpec
from studies import script
from studies.measurements import bare_loops, reference
from studies.measurements.algoperf_form import FOREIGN, NATIVE
from studies.measurements.bare_loops import Way

NUM_EVALS = 40  # of a trial, about: the clock waits for the device as often
SMOKE = {"workloads": ["digits"], "eager": ["digits"], "turns": 1, "seconds": 0.1}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is measured and how often."""
    default = ["digits", "criteo1tb", "finewebedu_lm"]
    parser.add_argument("--workloads", type=script.listed(), default=default)
    parser.add_argument("--eager", type=script.listed(), default=["imagenet_resnet"])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn")
    reference.add_core_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints both tables."""
    reference.pin(arguments.core)
    print(
        "| workload | trial ms per step | bare loop ms | ratio, median (range) |\n|---|---|---|---|"
    )
    for name in arguments.workloads:
        print(_steps_row(name, arguments.turns, arguments.seconds), flush=True)
    print("\n| workload | operations one by one ms | as handed out ms | own program ms |")
    print("|---|---|---|---|")
    for name in arguments.eager:
        print(_eager_row(name, arguments.turns, arguments.seconds), flush=True)


# --- steps --------------------------------------------------------------------------------


def _steps_row(name: str, turns: int, seconds: float) -> str:
    with tempfile.TemporaryDirectory() as folder:
        trial = _trial(name, Path(folder))
        prepared = setup.prepare(trial)
        ledger = Ledger()
        form = AlgoPerf(trial, prepared, ledger, lambda: None)
        with form.environment():
            form.start(None)
            ways = {
                "harness": _harness(form, ledger),
                "bare": _bare(prepared.workload, trial),
            }
            period = max(1, prepared.workload.step_hint // NUM_EVALS)
            found = _in_turns(ways, period, turns, seconds)
        form.close()
    ours, theirs = (1e3 * statistics.median(found[way]) for way in ("harness", "bare"))
    return (
        f"| {name} | {ours:.3f} | {theirs:.3f} "
        f"| {reference.ratios(found['harness'], found['bare'])} |"
    )


def _trial(name: str, folder: Path) -> TrialSpec:
    return TrialSpec(
        submission=str(find.locate(str(FOREIGN))),
        workload=name,
        study=0,
        trial=1,
        directory=str(folder),
        config=ExperimentConfig(
            "lite", "lite", tuning.Ruleset("external", 1, 1, 1.5), budget_by="steps"
        ),
        # That of the native reference: the file's own points are others.
        hyperparameters=submission_native.load(NATIVE).self_tuning_point,
    )


def _harness(form: AlgoPerf, ledger: Ledger) -> Way:
    step = 0

    def run(_: int, num_steps: int) -> float:
        nonlocal step
        ledger.switch("update_params")
        before = ledger.submission_seconds()
        advanced = form.advance(step, step + num_steps)
        ledger.switch("eval", advanced.pending)
        step += num_steps
        return (ledger.submission_seconds() - before) / num_steps

    return run


def _bare(workload: Workload, trial: TrialSpec) -> Way:
    """AlgoPerf's runner without everything that is not training."""
    entry = algoperf.load(find.locate(trial.submission))
    view = AlgoPerfView(workload, None)
    point = algoperf_spec.hyperparameters(trial.hyperparameters)
    params, model_state = map(
        PmapLayout(entry.layout).replicate, train_step.init_model(workload, 0)
    )
    key = jax.random.PRNGKey(0)
    init, update = map(entry.function, ("init_optimizer_state", "update_params"))
    state = init(view, params, model_state, point, key), params, model_state
    types, blank = view.model_params_types, algoperf_stepper.blank_train_state()
    data = jax.device_put(workload.dataset("train"))
    order = np.random.default_rng(0).permutation(workload.num_train_examples).astype(np.int32)

    @jax.jit
    def batch_of(rows: jax.Array, step: jax.Array) -> dict[str, jax.Array]:
        batch = jax.tree.map(lambda array: array[rows], data)
        return workload.augment(batch, jax.random.fold_in(jax.random.key(0), step))

    def run(first_step: int, num_steps: int) -> float:
        nonlocal state, key
        began = time.perf_counter()
        for step in range(first_step, first_step + num_steps):
            rows = bare_loops.rows_of(order, workload, step)
            key, update_key = jax.random.split(key)
            optimizer_state, params, model_state = state
            state = update(
                workload=view,
                current_param_container=params,
                current_params_types=types,
                model_state=model_state,
                hyperparameters=point,
                batch=batch_of(rows, np.int32(step)),
                loss_type=view.loss_type,
                optimizer_state=optimizer_state,
                eval_results=[],
                global_step=step,
                rng=update_key,
                train_state=blank,
            )
        jax.block_until_ready(state)
        return (time.perf_counter() - began) / num_steps

    return run


def _in_turns(
    ways: dict[str, Way], period: int, turns: int, seconds: float
) -> dict[str, list[float]]:
    """Median seconds per step of each way in each turn."""
    found: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(turns + 1):
        samples: dict[str, list[float]] = {way: [] for way in ways}
        began = time.perf_counter()
        # Period by period, so that what slows the machine for a second slows both.
        while not samples["bare"] or time.perf_counter() - began < seconds:
            for way, run in ways.items():
                samples[way].append(run(len(samples[way]) * period, period))
        if turn:  # the first turn only warms up
            for way in ways:
                found[way].append(statistics.median(samples[way]))
    return found


# --- eager calls --------------------------------------------------------------------------


def _eager_row(name: str, turns: int, seconds: float) -> str:
    workload = workloads.load(name)
    params, model_state = train_step.init_model(workload, 0)
    rows = {key: rows[: workload.batch_size] for key, rows in workload.dataset("train").items()}
    batch, key = jax.device_put(rows), jax.random.PRNGKey(1)

    def call(model_fn: Callable, params: algoperf_spec.PyTree) -> algoperf_spec.PyTree:
        return model_fn(
            params, batch, model_state, ForwardPassMode.TRAIN, key, update_batch_norm=True
        )

    ways = (
        functools.partial(call, workload.model_fn),
        functools.partial(call, AlgoPerfView(workload, None).model_fn),
        jax.jit(functools.partial(call, workload.model_fn)),
    )
    found: list[list[float]] = [[] for _ in ways]
    for turn in range(turns + 1):
        for times, way in zip(found, ways, strict=True):
            taken = _seconds_of(way, params, seconds)
            if turn:
                times.append(taken)
    cells = (f"{1e3 * statistics.median(times):.1f}" for times in found)
    return f"| {name} | {' | '.join(cells)} |"


def _seconds_of(way: Callable, params: algoperf_spec.PyTree, seconds: float) -> float:
    samples: list[float] = []
    began = time.perf_counter()
    while not samples or time.perf_counter() - began < seconds / 3:
        start = time.perf_counter()
        jax.block_until_ready(way(params))
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
