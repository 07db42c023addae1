"""One trial, start to finish: one submission, workload, hyperparameter point and seed."""

import dataclasses
import hashlib
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import workloads
from algoperf_lite import hardware, spec, stepping, submission, trial_logs
from algoperf_lite.clock import Ledger
from algoperf_lite.evaluation import Evaluator
from algoperf_lite.spec import PyTree, Workload
from algoperf_lite.trial_spec import TrialSpec, blank_record

Report = Callable[..., None]
_BEAT_SECONDS = 1.0


def work(payload: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """A trial as a job of `executors`: its record is written to its directory and returned."""
    report(event="beat")
    trial_spec = TrialSpec.from_json(payload["spec"])
    record = run(trial_spec, report, started=payload["started"])
    report(event="closed")
    trial_logs.write_json(Path(trial_spec.directory) / "trial.json", record)
    return record


def run(
    trial_spec: TrialSpec,
    report: Report = lambda **event: None,
    started: float | None = None,
    now: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Trains, evaluates and logs; returns the trial's record, whatever happens to the trial.

    Args:
      report: called with event="beat" as a sign of life and event="progress" at evaluations.
      started: reading of `now` at which the trial's wall time began.
    """
    ledger = Ledger(now, started)
    record = blank_record(trial_spec)
    try:
        record["status"] = _train(trial_spec, ledger, record, report)
    except Exception as error:  # the trial ends with a status; the experiment goes on
        is_memory = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
        record["status"] = "out_of_memory" if is_memory else "crashed"
        record["error"] = f"{type(error).__name__}: {error}"
        record["traceback"] = traceback.format_exc()
    record["peak_memory_bytes"] = hardware.peak_memory()
    record["ledger"] = ledger.close()  # checked by `experiment`, against a clock of its own
    return record


def evaluation_steps(horizon: int, num_evals: int) -> Iterator[int]:
    """1, then every `horizon / num_evals` steps, past the horizon too; strictly increasing."""
    yield 1
    last, index = 1, 0
    while True:
        index += 1
        step = round(index * horizon / num_evals)
        if step > last:
            last = step
            yield step


@dataclasses.dataclass(frozen=True)
class _Stage:
    """What a trial needs before any submission comes into play."""

    workload: Workload
    data: dict[str, jax.Array]
    params: PyTree
    model_state: PyTree
    evaluate: Evaluator
    logs: trial_logs.TrialLogs


@dataclasses.dataclass(frozen=True)
class _Actor:
    """A submission, compiled and warmed up."""

    state: stepping.TrainState
    stepper: stepping.NativeStepper
    learning_rate: Callable[[int], float] | None  # of a step counted from 0
    is_finite: Callable[[PyTree], jax.Array]


def _train(trial_spec: TrialSpec, ledger: Ledger, record: dict[str, Any], report: Report) -> str:
    """The whole trial under the ledger's accounts; fills `record` and returns the status."""
    stage = _set_up(trial_spec, record)
    report(event="beat")
    actor = _start(trial_spec, stage, ledger, record, report)
    return _loop(trial_spec, stage, actor, ledger, record, report)


def _set_up(trial_spec: TrialSpec, record: dict[str, Any]) -> _Stage:
    workload = workloads.load(trial_spec.workload, trial_spec.scale)
    workload = dataclasses.replace(
        workload,
        validation_target_value=trial_spec.target,
        step_hint=max(1, round(trial_spec.budget * workload.step_hint)),
    )
    data = jax.device_put(workload.dataset("train"))
    params, model_state = stepping.init_model(workload, trial_spec.seed)
    evaluate = Evaluator(workload)
    evaluate.compile(params, model_state)
    metrics = evaluate(params, model_state, "validation")
    names = [name.removeprefix("validation/") for name in metrics if "num_examples" not in name]
    logs = trial_logs.TrialLogs(Path(trial_spec.directory), names)
    record |= {
        "metric": workload.target_metric_name,
        "step_hint": workload.step_hint,
        "num_params": workload.num_params,
        "data_sha256": data_sha256(workload),
        "fingerprint": hardware.fingerprint(),
        "versions": hardware.versions(),
    }
    trial_logs.write_json(logs.directory / "meta_data_0.json", _meta_data(workload, record))
    trial_logs.write_json(logs.directory / "flags_0.json", dataclasses.asdict(trial_spec))
    return _Stage(workload, data, params, model_state, evaluate, logs)


def _start(
    trial_spec: TrialSpec, stage: _Stage, ledger: Ledger, record: dict[str, Any], report: Report
) -> _Actor:
    """Imports the submission and makes its first state on its clock, and compiles off it."""
    workload = stage.workload
    ledger.switch("init", stage.params, stage.model_state, stage.data)
    entry = submission.load(trial_spec.submission)
    point = trial_spec.hyperparameters
    if point is None:
        position = (trial_spec.experiment_seed, trial_spec.study, trial_spec.trial)
        point = entry.point(trial_spec.ruleset, *position)
    traced, static = stepping.split_point(point)
    training = stepping.Training(workload, entry, static)
    batches = stepping.Batches(
        workload.num_train_examples, entry.batch_size(workload), trial_spec.seed
    )
    ledger.switch("log")
    trial_logs.write_json(stage.logs.directory / "hparams.json", point)
    record |= {
        "submission_sha256": entry.sha256,
        "submission_source": entry.source,
        "hyperparameters": point,
        "batch_size": batches.batch_size,
    }
    ledger.switch("compile")
    init = jax.jit(training.init).lower(traced, stage.params, stage.model_state).compile()
    report(event="beat")
    ledger.switch("init")
    state = init(traced, stage.params, stage.model_state)
    ledger.switch("compile", state)
    stepper = stepping.NativeStepper(
        training,
        traced,
        stage.data,
        batches,
        trial_spec.stepping_mode,
        # No dispatch reaches beyond an evaluation, so more rows would only be padding.
        min(trial_spec.steps_per_dispatch, -(-workload.step_hint // trial_spec.num_evals)),
    )
    stepper.compile(state)
    report(event="beat")
    learning_rate = _learning_rate(training, traced)
    is_finite = jax.jit(_all_finite).lower(stage.params).compile()
    ledger.switch("log", is_finite(stage.params))
    record["compile_seconds"] = ledger.seconds("compile")
    return _Actor(state, stepper, learning_rate, is_finite)


def _learning_rate(
    training: stepping.Training, traced: Mapping[str, Any]
) -> Callable[[int], float] | None:
    """The submission's schedule as a compiled function of the step; None if it has none."""
    if training.submission.schedule is None:
        return None
    compiled = jax.jit(training.learning_rate).lower(traced, np.int32(0)).compile()
    return lambda step: float(compiled(traced, np.int32(step)))


def _loop(
    trial_spec: TrialSpec,
    stage: _Stage,
    actor: _Actor,
    ledger: Ledger,
    record: dict[str, Any],
    report: Report,
) -> str:
    """Trains from evaluation to evaluation until target, budget or divergence."""
    workload, state, beat = stage.workload, actor.state, _throttled(report)
    step = 0
    for next_step in evaluation_steps(workload.step_hint, trial_spec.num_evals):
        next_step = min(next_step, trial_spec.max_global_steps or next_step)
        ledger.switch("update_params")
        state = actor.stepper.advance(state, step, next_step - step, beat)
        ledger.switch("prepare_for_eval", state)
        params, model_state = actor.stepper.prepare_for_eval(state, next_step)
        ledger.switch("eval", params, model_state)
        seconds = ledger.submission_seconds(trial_spec.count_compile)
        training_loss = float(state.loss_sum) / (next_step - step)
        step = record["steps"] = next_step
        if trial_spec.max_seconds is not None and seconds > trial_spec.max_seconds:
            break  # no evaluation beyond the budget, as in AlgoPerf v0.6

        row = stage.evaluate(params, model_state, "validation")
        is_healthy = bool(actor.is_finite(state.params))
        reached = workload.has_reached_validation_target(row)
        is_last = not is_healthy or step == trial_spec.max_global_steps
        is_last |= reached and trial_spec.stop_at_target
        if is_last or _is_quarter(step, workload.step_hint):
            row |= stage.evaluate(params, model_state, "train")
            row |= stage.evaluate(params, model_state, "test")
        ledger.switch("log")
        if actor.learning_rate is not None:
            row["learning_rate"] = actor.learning_rate(step - 1)
        stage.logs.write_eval({**row, **_times(ledger, seconds, step)}, training_loss)
        metric = workload.target_metric_name
        value = row[f"validation/{metric}"]
        _note(record, workload, value, reached, seconds, step)
        report(event="progress", step=step, horizon=workload.step_hint, metric=metric, value=value)
        if not is_healthy:
            record["error"] = f"parameters are not finite after step {step}"
            return "diverged"
        if is_last:
            break
    stage.logs.write_score(seconds, step)
    return "not_reached" if record["time_to_target"] is None else "reached"


def data_sha256(workload: Workload) -> str:
    """Hash of every byte of every split."""
    digest = hashlib.sha256()
    for split in spec.SPLITS:
        for name, values in sorted(workload.dataset(split).items()):
            digest.update(f"{split}/{name}/{values.dtype}/{values.shape}".encode())
            digest.update(np.ascontiguousarray(values))
    return digest.hexdigest()


def _note(
    record: dict[str, Any],
    workload: Workload,
    value: float,
    reached: bool,
    seconds: float,
    step: int,
) -> None:
    """Books one evaluation into the record."""
    best = record["best"]
    is_better = best is None or (value < best if workload.lower_is_better else value > best)
    if np.isfinite(value) and is_better:
        record["best"] = value
    if reached and record["time_to_target"] is None:
        record |= {"time_to_target": seconds, "steps_to_target": step}


def _times(ledger: Ledger, seconds: float, step: int) -> dict[str, float]:
    return {
        "accumulated_submission_time": seconds,
        "accumulated_eval_time": ledger.seconds("eval"),
        "accumulated_logging_time": ledger.seconds("log"),
        "global_step": step,
        "preemption_count": 0,
        "score": seconds,
        "total_duration": ledger.seconds(),
    }


def _is_quarter(step: int, horizon: int) -> bool:
    """Whether `step` is the first or ends a quarter of the horizon: train and test are measured."""
    return step == 1 or step == round(round(4 * step / horizon) * horizon / 4)


def _meta_data(workload: Workload, record: Mapping[str, Any]) -> dict[str, Any]:
    """AlgoPerf's flat `meta_data` keys."""
    fields = (
        "name",
        "scale",
        "batch_size",
        "eval_batch_size",
        "step_hint",
        "num_train_examples",
        "num_validation_examples",
        "num_test_examples",
        "target_metric_name",
    )
    facts = {f"workload.{field}": getattr(workload, field) for field in fields}
    return {**facts, **record["fingerprint"], "rng_seed": record["seed"]}


def _all_finite(params: PyTree) -> jax.Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)]))


def _throttled(report: Report) -> Callable[[], None]:
    """A `beat` for the training loop that reports at most once a second."""
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        if time.monotonic() - last >= _BEAT_SECONDS:
            last = time.monotonic()
            report(event="beat")

    return beat
