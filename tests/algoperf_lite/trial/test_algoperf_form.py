"""Trials of submissions in AlgoPerf's form, and that they train as native ones do."""

import csv
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import trials

import workloads
from algoperf_lite import spec, tuning
from algoperf_lite.submission import algoperf, algoperf_shim, algoperf_view
from algoperf_lite.submission import native as submission_native
from algoperf_lite.training import native_stepper, train_step
from algoperf_lite.training.clock import adds_up
from algoperf_lite.training.data_order import Batches
from algoperf_lite.trial.forms import algoperf_pipeline, algoperf_stepper

FILES = Path(__file__).parents[2] / "algoperf_form" / "submissions"
COUNTING = """
import jax
from algoperf import spec

calls, history, step_fn, last_results = 0, [], None, None

def get_batch_size(workload_name):
    raise ValueError(workload_name)

def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return {}, None

def update_params(workload, current_param_container, current_params_types, model_state,
                  hyperparameters, batch, loss_type, optimizer_state, eval_results, global_step,
                  rng, train_state):
    global calls, step_fn, last_results
    if calls == LAST:
        raise spec.TrainingCompleteError()
    assert calls == global_step == len(history) or WARM_UP_IS_OTHERWISE
    calls += 1
    history.append(global_step)
    step_fn = step_fn or jax.jit(lambda params: jax.tree.map(lambda p: 0.99 * p, params))
    assert train_state["accumulated_submission_time"] >= 0
    try:
        train_state["accumulated_submission_time"] = 0
    except TypeError:
        pass
    else:
        raise AssertionError("train_state can be changed")
    for step, result in eval_results:
        assert not result or {"train/loss", "test/loss", "validation/accuracy"} <= set(result)
        is_new = eval_results is not last_results
        assert result["global_step"] == step if is_new else not result
        result.clear()
    last_results = eval_results
    return optimizer_state, step_fn(current_param_container), model_state

def data_selection(workload, input_queue, optimizer_state, current_param_container, model_state,
                   hyperparameters, global_step, rng):
    return next(input_queue)
"""


def _spec(tmp_path, path, **fields):
    defaults = {
        "submission": str(path),
        "ruleset": tuning.Ruleset("external", 1, 1, 1.0),
        "budget": 1 / 3,  # a horizon of 200 steps
        "max_global_steps": 20,
        "stop_at_target": False,
    }
    return trials.on_digits(tmp_path / "trial_1", **{**defaults, **fields})


def _rows(spec):
    with (Path(spec.directory) / "eval_measurements.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_trial_is_logged_and_accounted_for_like_a_native_one(tmp_path):
    spec = _spec(tmp_path, FILES / "nadamw_jit")
    record = trials.run(spec)
    assert record["status"] == "not_reached", record.get("traceback")
    assert record["submission"] == "nadamw_jit"
    assert [int(row["global_step"]) for row in _rows(spec)] == [1, 5, 10, 15, 20]
    assert adds_up(record["ledger"], record["ledger"]["wall"])
    assert record["ledger"]["data_selection"] > 0 and record["ledger"]["update_params"] > 0
    assert record["late_compilations"] == 0
    assert record["form"] == "algoperf (jit)"
    assert record["batch_size"] == record["batch_size_asked"]["used"] == 64
    assert len(record["submission_sha256"]) == 64
    lines = (Path(spec.directory) / "submission_metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["global_step"] == 0


def test_native_and_algoperf_form_train_the_same_parameters():
    """50 steps of NAdamW: the same batches, the same numbers."""
    workload, native = workloads.load("digits"), submission_native.load("nadamw")
    # At higher rates training doubles rounding errors every few steps.
    point = {**native.self_tuning_point, "learning_rate": 1e-3}
    workload = dataclasses.replace(workload, parameter_multiplier=1.0)
    traced, static = train_step.split_point(point)
    training = train_step.TrainStep(workload, native, static)
    batches = Batches(workload.num_train_examples, workload.batch_size, seed=3)
    data = jax.device_put(workload.dataset("train"))
    params, model_state = train_step.init_model(workload, 3)
    state = jax.jit(training.init)(traced, params, model_state)
    stepper = native_stepper.NativeStepper(training, traced, data, batches, "single", 50)
    stepper.compile(state)
    params, model_state = train_step.init_model(workload, 3)
    expected = stepper.advance(state, 0, 50)
    with algoperf_shim.installed(FILES / "nadamw_jit" / "submission.py"):
        entry = algoperf.load(FILES / "nadamw_jit" / "submission.py")
        layout = algoperf_pipeline.PmapLayout(entry.layout)
        feed = algoperf_pipeline.ResidentPipeline(workload, layout, batches, data)
        view = algoperf_view.AlgoPerfView(workload, None)
        other = algoperf_stepper.OneByOneStepper(
            entry, view, spec.hyperparameters(point), layout, feed
        )
        found = other.init(params, model_state, jax.random.PRNGKey(0))
        for step in range(50):
            blank = algoperf_stepper.blank_train_state()
            found = other.step(found, step, other.select(found, step), [], blank)
    for one, two in zip(
        jax.tree.leaves(expected.params), jax.tree.leaves(found.params), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5 * float(np.max(np.abs(one))))


def test_the_warm_up_leaves_no_trace_and_what_is_handed_over_cannot_be_spoilt(
    tmp_path, monkeypatch
):
    """The file asserts that its own counters start at zero and grow with the steps."""
    loaded, load = [], algoperf.load
    monkeypatch.setattr(algoperf, "load", lambda path: loaded.append(load(path)) or loaded[-1])
    path = tmp_path / "counting.py"
    path.write_text(COUNTING.replace("LAST", "99").replace("WARM_UP_IS_OTHERWISE", "calls < 17"))
    spec = _spec(tmp_path, path, ruleset=tuning.Ruleset("self", 1, 1, 1.0), max_global_steps=30)
    record = trials.run(spec)
    assert record["status"] == "not_reached", record.get("traceback")
    (module,) = loaded[0].modules
    assert module.calls == 30 and module.history == list(range(30))
    assert record["late_compilations"] == 0  # the jitted function it keeps stayed


def test_a_submission_may_end_its_training(tmp_path):
    path = tmp_path / "ending.py"
    path.write_text(COUNTING.replace("LAST", "7").replace("WARM_UP_IS_OTHERWISE", "True"))
    spec = _spec(tmp_path, path, ruleset=tuning.Ruleset("self", 1, 1, 1.0))
    record = trials.run(spec)
    assert record["status"] == "not_reached", record.get("traceback")
    assert record["steps"] == 8  # as in AlgoPerf, the step that ended it counts
    assert int(_rows(spec)[-1]["global_step"]) == 8


def test_other_types_of_parameters_make_a_trial_invalid(tmp_path):
    path = tmp_path / "half.py"
    body = COUNTING.replace("LAST", "99").replace("WARM_UP_IS_OTHERWISE", "True")
    path.write_text(body.replace("0.99 * p", "p.astype('bfloat16')"))
    record = trials.run(_spec(tmp_path, path, ruleset=tuning.Ruleset("self", 1, 1, 1.0)))
    assert record["status"] == "invalid"
    assert "parameters" in record["error"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nadamw_jit", "momentum_pmap"])
def test_several_devices_train_as_one_does(tmp_path, name):
    script = f"""
import sys
from algoperf_lite import tuning
from algoperf_lite.trial import run as trial
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec
rules = tuning.Ruleset("external", 1, 1, 1.0)
config = ExperimentConfig(ruleset=rules, stop_at_target=False)
spec = TrialSpec({str(FILES / name)!r}, "digits", 0, 1, sys.argv[1], config, max_global_steps=10)
record = trial.run(spec).to_json()
assert record["status"] == "not_reached", record["traceback"]
print(record["fingerprint"]["num_devices"], record["final"])
"""
    found = []
    for count in (1, 4):
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
        run = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / str(count))],
            env={**os.environ, "XLA_FLAGS": flags},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert run.returncode == 0, run.stderr[-2000:]
        devices, value = run.stdout.split()[-2:]
        assert int(devices) == count
        found.append(float(value))
    assert abs(found[0] - found[1]) <= 0.02
