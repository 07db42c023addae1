"""One trial in this process: its loop, its record, its statuses."""

import csv
import dataclasses
import itertools
import time
from pathlib import Path

import pytest
import trials

import workloads
from algoperf_lite import tuning
from algoperf_lite.machine import memory
from algoperf_lite.training import native_stepper
from algoperf_lite.training.clock import ON_CLOCK, adds_up
from algoperf_lite.trial import stops
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec


def _spec(tmp_path, **fields):
    """On a horizon of 200 steps."""
    defaults = {"budget": 1 / 3, "max_global_steps": 60}
    return trials.on_digits(tmp_path / "trial_1", **{**defaults, **fields})


def _rows(spec):
    with (Path(spec.directory) / "eval_measurements.csv").open() as file:
        return list(csv.DictReader(file))


def _submission(tmp_path, body, head=""):
    path = tmp_path / "mine.py"
    path.write_text(
        f"import optax\nimport jax.numpy as jnp\n{head}\n"
        f"def optimizer(workload, hyperparameters):\n    {body}\n"
    )
    return str(path)


def test_a_trial_evaluates_on_its_grid_and_accounts_for_all_its_time(tmp_path):
    spec = _spec(tmp_path)
    closing = []

    def report(event, **more):
        if event == "closing":  # what comes behind it is a busy machine's time, and no account's
            closing.append(time.monotonic() - began)

    began = time.monotonic()
    record = trials.run(spec, report=report)
    wall = time.monotonic() - began
    assert record["status"] == "not_reached"
    assert [int(row["global_step"]) for row in _rows(spec)] == [1, *range(5, 61, 5)]
    assert record["steps"] == 60
    assert adds_up(record["ledger"], wall, *closing)
    assert record["compile_seconds"] > 0.05
    assert {"key", "device_kind", "versions"} <= set(record["fingerprint"])
    assert len(record["data_sha256"]) == len(record["submission_sha256"]) == 64
    rows = _rows(spec)
    seconds = [float(row["accumulated_submission_time"]) for row in rows]
    assert seconds == sorted(seconds)
    on_clock = sum(record["ledger"][name] for name in ON_CLOCK)
    assert seconds[-1] == pytest.approx(on_clock, rel=1e-6)
    # Train and test are measured after step 1, at quarters of the horizon, and at the end.
    measured = [int(row["global_step"]) for row in rows if row["test/accuracy"]]
    assert measured == [1, 50, 60]


def test_it_stops_at_the_target_unless_told_otherwise(tmp_path):
    spec = _spec(tmp_path, target=0.12)
    record = trials.run(spec)
    assert record["status"] == "reached"
    first = next(row for row in _rows(spec) if float(row["validation/accuracy"]) >= 0.12)
    assert record["steps"] == record["steps_to_target"] == int(first["global_step"])
    assert record["time_to_target"] == float(first["score"])
    spec = _spec(tmp_path, target=0.12, stop_at_target=False, directory=str(tmp_path / "trial_2"))
    assert trials.run(spec)["steps"] == 60


def test_evaluation_is_free_and_the_budget_stops_training(tmp_path):
    # Every reading of this clock is one second after the last, so time is a count of readings.
    clock = itertools.count()
    record = trials.run(
        _spec(tmp_path, max_seconds=12.0, max_global_steps=None), now=lambda: float(next(clock))
    )
    assert record["status"] == "not_reached"
    last = float(_rows(_spec(tmp_path))[-1]["score"])
    assert last <= 12.0
    assert record["steps"] > int(_rows(_spec(tmp_path))[-1]["global_step"])


def test_equal_trials_write_equal_metrics_bit_for_bit(tmp_path):
    specs = [_spec(tmp_path, directory=str(tmp_path / name)) for name in "ab"]
    for spec in specs:
        trials.run(spec)
    metrics = [
        [{k: v for k, v in row.items() if "/" in k} for row in _rows(spec)] for spec in specs
    ]
    assert metrics[0] == metrics[1]
    other = _spec(tmp_path, rng_seed=1, directory=str(tmp_path / "c"))
    trials.run(other)
    assert [row["validation/loss"] for row in _rows(other)] != [
        row["validation/loss"] for row in metrics[0]
    ]


def test_submissions_start_from_the_same_parameters(tmp_path):
    # The reference's learning rate is 0 at step 1, so its first evaluation is of the initial model.
    frozen = _submission(tmp_path, "return optax.sgd(0.0)")
    specs = [
        _spec(tmp_path, directory=str(tmp_path / "a")),
        _spec(tmp_path, directory=str(tmp_path / "b"), submission=frozen, max_global_steps=1),
    ]
    for spec in specs:
        trials.run(spec)
    assert _rows(specs[0])[0]["validation/loss"] == _rows(specs[1])[0]["validation/loss"]


@pytest.mark.parametrize(
    ("body", "head", "status", "message"),
    [
        ("return optax.sgd(1.0)", "raise ImportError('no such thing')", "crashed", "no such thing"),
        ("return optax.sgd(1e30)", "", "diverged", "not finite after step"),
        ("raise MemoryError('too big')", "", "out_of_memory", "too big"),
        ("return 3", "", "crashed", "int"),
        (
            "return optax.stateless(lambda g, p: {'wrong': jnp.zeros(3)})",
            "",
            "crashed",
            "",
        ),
        (
            "return optax.sgd(hyperparameters.lr)",
            "search_space = {'lr': {'min': 1e-3, 'max': 1.0, 'scaling': 'log'}}",
            "crashed",
            "needs; add self_tuning_point",
        ),
    ],
)
def test_a_failing_submission_ends_its_trial_with_a_status(tmp_path, body, head, status, message):
    spec = _spec(tmp_path, submission=_submission(tmp_path, body, head))
    record = trials.run(spec)
    assert record["status"] == status
    assert message in record["error"]
    assert record["submission"] == "mine"
    if status != "diverged":
        assert "Traceback" in record["traceback"]


def test_a_batch_larger_than_the_split_is_refused(tmp_path):
    head = "def batch_size(workload):\n    return 10**6\n"
    spec = _spec(tmp_path, submission=_submission(tmp_path, "return optax.sgd(0.1)", head))
    assert "batch size 1000000 does not fit" in trials.run(spec)["error"]


def test_eval_params_are_what_is_evaluated(tmp_path):
    head = (
        "import jax\n"
        "def eval_params(state, params):\n    return jax.tree.map(jnp.zeros_like, params)\n"
    )
    spec = _spec(tmp_path, submission=_submission(tmp_path, "return optax.sgd(0.1)", head))
    trials.run(spec)
    losses = {round(float(row["validation/loss"]), 4) for row in _rows(spec)}
    assert losses == {2.3026}  # log(10): all logits are zero


def test_the_learning_rate_is_logged_with_every_evaluation(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import optax\n"
        "def schedule(workload, hyperparameters):\n    return lambda step: 0.5 / (step + 1)\n"
        "def optimizer(workload, hyperparameters, rate):\n    return optax.sgd(rate)\n"
    )
    spec = _spec(tmp_path, submission=str(path), max_global_steps=10)
    trials.run(spec)
    logged = [(int(row["global_step"]), float(row["learning_rate"])) for row in _rows(spec)]
    assert logged == [(1, 0.5), (5, pytest.approx(0.1)), (10, pytest.approx(0.05))]


def test_hyperparameters_may_be_given(tmp_path):
    point = {"learning_rate": 1e-3, "one_minus_beta1": 0.1, "weight_decay": 0.0}
    record = trials.run(_spec(tmp_path, hyperparameters=point, max_global_steps=1))
    assert record["hyperparameters"] == point


@pytest.mark.parametrize(("horizon", "num_evals"), [(2000, 40), (7, 40), (1, 40), (3840, 48)])
def test_the_grid_is_even_and_strictly_increasing(horizon, num_evals):
    steps = list(
        itertools.takewhile(lambda s: s <= horizon, stops.evaluation_steps(horizon, num_evals))
    )
    assert steps[0] == 1
    assert steps == sorted(set(steps))
    assert steps[-1] == horizon
    if horizon > num_evals:
        assert len(steps) == num_evals + 1


def test_a_spec_survives_json(tmp_path):
    import json

    spec = _spec(tmp_path, hyperparameters={"a": 1.5})
    assert TrialSpec.from_json(json.loads(json.dumps(dataclasses.asdict(spec)))) == spec


def test_batches_of_full_models_are_cut_until_they_fit(tmp_path, monkeypatch):
    load, compile_ = workloads.load, native_stepper.NativeStepper.compile
    asked = []

    def compiled(stepper, state, free_bytes=None):
        asked.append(free_bytes)
        return compile_(stepper, state, free_bytes)

    # A small model in the place of a full one: what is looked at is who decides, and by what.
    monkeypatch.setattr(workloads, "load", lambda name, scale, *more, **how: load(name, "lite"))
    monkeypatch.setattr(native_stepper.NativeStepper, "compile", compiled)

    def ran(free, scale, **fields):
        asked.clear()
        monkeypatch.setattr(memory, "free_device_memory", lambda: free)
        config = ExperimentConfig(scale=scale, ruleset=tuning.Ruleset("self", 1, 1, 1.5), **fields)
        folder = tmp_path / f"trial_{len(list(tmp_path.iterdir()))}"
        record = trials.run(trials.on_digits(folder, config=config, max_global_steps=2))
        return record, record["stepping"]["microbatches"]

    record, count = ran(2**40, "full")
    assert count == 1 and len(asked) == 1
    copied = 2**40 - asked[0]
    assert copied > 3 * 4 * record["num_params"]  # parameters and both moments
    need = record["step_bytes"]
    beside = need["outputs"] - need["reused"] + need["temporaries"]
    assert ran(copied + beside, "full")[1] == 1
    assert ran(copied + beside - 1, "full")[1] == 2
    assert asked == [beside - 1] * 2
    # Who asks for a number gets it, a CPU does not say, and lite models are as they were.
    assert ran(0, "full", microbatches=1)[1] == ran(None, "full")[1] == ran(0, "lite")[1] == 1
    crashed = trials.run(
        trials.on_digits(tmp_path / "no", config=ExperimentConfig(scale="lite", microbatches=7))
    )
    assert "cannot be cut into 7 equal parts" in crashed["error"]
