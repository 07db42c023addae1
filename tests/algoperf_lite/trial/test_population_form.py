"""A population's trial: interrupted or not, on one device or four, it is the same trial."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import trials

import workloads
from algoperf_lite.population import chunk_size, evolution, lineage
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.spec import hyperparameters
from algoperf_lite.submission import native
from algoperf_lite.training.clock import ON_CLOCK, adds_up
from algoperf_lite.trial import checkpoints, run
from algoperf_lite.trial.spec import TrialSpec

pytestmark = pytest.mark.slow

RULES = PopulationConfig(4, 6)
HORIZON = 80


def _spec(directory, **fields):
    """Evaluations after steps 1, 2, 4, 6, ...; generations after 6, 12, 18."""
    defaults = {
        "rng_seed": 1,  # whose leaders change
        "budget": HORIZON / 600,
        "max_global_steps": 22,
        "population": RULES,
    }
    return trials.on_digits(directory, **{**defaults, **fields})


def _rows(directory, name="eval_measurements.csv"):
    with (Path(directory) / name).open() as file:
        return list(csv.DictReader(file))


def _curves(directory):
    """All that a log says but for its times."""
    return [
        {k: v for k, v in row.items() if "/" in k or k in ("global_step", "learning_rate", "loss")}
        for row in _rows(directory, "measurements.csv")
    ]


def _run(spec):
    """Its record; it keeps a checkpoint after each evaluation."""
    return trials.run(spec, checkpoint_share=1.0)


def _script(spec, head="", report="lambda **event: None"):
    """A process of its own that runs a trial."""
    content = json.dumps(dataclasses.asdict(spec))
    return (
        f"import json, os, signal, sys\n{head}\n"
        "from algoperf_lite.trial import run\n"
        "from algoperf_lite.trial.spec import TrialSpec\n"
        f"spec = TrialSpec.from_json(json.loads({content!r}))\n"
        f"record = run.run(spec, {report}, checkpoint_share=1.0)\n"
        "print(json.dumps(record.to_json()))"
    )


def _run_script(script, **environment):
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[3],
    )


def _run_watched(spec):
    """The record of a trial, and what was compiled while it trained."""
    compiled, is_training = [], []

    def listen(event, duration, **kwargs):
        if is_training and "backend_compile" in event:
            compiled.append(kwargs)

    with pytest.MonkeyPatch.context() as patch:
        train = run.train
        patch.setattr(run, "train", lambda *a: (is_training.append(1), train(*a))[1])
        jax.monitoring.register_event_duration_secs_listener(listen)
        record = _run(spec)
        is_training.clear()
    return record, compiled


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Record and directory of an uninterrupted trial; what it compiled while it trained."""
    directory = tmp_path_factory.mktemp("whole")
    record, compiled = _run_watched(_spec(directory))
    return record, directory, compiled


def test_its_logs_show_the_leader_and_its_ledger_all_members(whole):
    record, directory, compiled = whole
    assert record["status"] == "not_reached", record["error"]
    assert not compiled  # all programs were, before the clock ran
    generations = lineage.read(directory / lineage.FILE)
    assert [generation.step for generation in generations] == [0, 6, 12, 18, 22]
    assert [int(row["global_step"]) for row in _rows(directory)] == [1, *range(2, 23, 2)]
    entry, workload = native.load("nadamw"), workloads.load("digits")
    workload = dataclasses.replace(workload, step_hint=HORIZON)
    leaders = set()
    for row in _rows(directory):
        step = int(row["global_step"])
        then = [generation for generation in generations if generation.step < step][-1]
        leader = evolution.leader(then)
        leaders.add(leader)
        rate = entry.schedule(workload, hyperparameters(then.points[leader]))(step - 1)
        assert float(row["learning_rate"]) == pytest.approx(float(rate), rel=1e-5)
    assert len(leaders) > 1
    winner = record["winner"]["member"]
    assert winner == lineage.winner(generations)
    assert record["hyperparameters"] == generations[-1].points[winner]
    assert json.loads((directory / "hparams.json").read_text()) == record["hyperparameters"]
    assert record["winner"]["fitness"] == -max(-f for f in generations[-1].fitness)
    assert record["pbt"]["ready_interval"] == 6
    assert record["stepping"]["chunk_size"] == 1
    ledger = record["ledger"]
    assert adds_up(ledger, ledger["wall"])
    assert ledger["fitness"] > 0 and ledger["checkpoint"] > 0
    on_clock = sum(ledger[name] for name in ON_CLOCK)
    assert float(_rows(directory)[-1]["score"]) == pytest.approx(on_clock, rel=1e-6)
    assert [checkpoint.step for checkpoint in checkpoints.found(directory)] == [20, 18]


def _check_same(record, directory, whole):
    expected, whole_directory, _ = whole
    assert record["status"] == expected["status"], record["error"]
    found = (directory / lineage.FILE).read_bytes()
    assert found == (whole_directory / lineage.FILE).read_bytes()
    assert _curves(directory) == _curves(whole_directory)
    for name in ("hyperparameters", "winner", "best", "final", "steps", "pbt"):
        assert record[name] == expected[name]


def _check_goes_on(record, directory, is_after):
    """Goes on from the checkpoint's clock; the time that was lost is nobody's."""
    assert record["preemption_count"] == 1
    assert record["earlier_wall"] > record["ledger"]["lost"] >= 0
    assert adds_up(record["ledger"], record["ledger"]["wall"])
    seconds = [float(row["score"]) for row in _rows(directory)]
    assert seconds == sorted(seconds)
    on_clock = sum(record["ledger"][name] for name in ON_CLOCK)
    assert seconds[-1] == pytest.approx(on_clock, rel=1e-6)
    counts = [int(row["preemption_count"]) for row in _rows(directory)]
    steps = [int(row["global_step"]) for row in _rows(directory)]
    assert counts == [int(step > is_after) for step in steps]
    assert not list(directory.glob("interrupted_*"))


def test_killed_in_the_middle_of_a_generation_it_goes_on_from_the_last_evaluation(whole, tmp_path):
    spec = _spec(tmp_path)
    kill = "def kill(**e):\n    if e.get('step') == 16: os.kill(os.getpid(), signal.SIGKILL)\n"
    done = _run_script(_script(spec, kill, "kill"))
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert int(_rows(tmp_path)[-1]["global_step"]) == 16
    record = _run(spec)
    _check_same(record, tmp_path, whole)
    _check_goes_on(record, tmp_path, 14)


def test_cut_right_after_a_checkpoint_that_is_then_damaged(whole, tmp_path, monkeypatch):
    spec = _spec(tmp_path)
    with trials.cut_after(monkeypatch, 12):
        _run(spec)
    for path in (tmp_path / "checkpoints" / "12" / "arrays").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:100])
    record = _run(spec)
    _check_same(record, tmp_path, whole)
    _check_goes_on(record, tmp_path, 10)


def test_without_a_checkpoint_of_this_very_trial_it_starts_again(tmp_path, monkeypatch):
    spec = _spec(tmp_path, max_global_steps=7)
    with trials.cut_after(monkeypatch, 6):
        _run(_spec(tmp_path, max_global_steps=7, rng_seed=2))
    record = _run(spec)
    assert record["preemption_count"] == 1
    assert record["earlier_wall"] == record["ledger"]["lost"] > 0
    assert adds_up(record["ledger"], record["ledger"]["wall"])
    assert list(tmp_path.glob("interrupted_0/lineage.jsonl"))
    assert record["steps"] == 7


def test_in_chunks_it_goes_on_as_well(tmp_path, monkeypatch):
    from algoperf_lite.trial.forms import population_setup

    def together(candidates, *_):
        stepper = candidates.stepper(population_setup.MemberSharding(4, 2))
        stepper.compile(candidates.population(stepper))
        return chunk_size.Choice(stepper, {}, "for a test")

    monkeypatch.setattr(chunk_size, "choose", together)
    for name in ("whole", "cut"):
        spec = _spec(tmp_path / name, max_global_steps=9)
        if name == "whole":
            expected, compiled = _run_watched(spec)
            assert expected["stepping"]["chunk_size"] == 2
            assert not compiled
            continue
        with trials.cut_after(monkeypatch, 6):
            _run(spec)
        monkeypatch.setattr(chunk_size, "choose", None)  # it has been chosen
        _check_same(_run(spec), Path(spec.directory), (expected, tmp_path / "whole", 0))


SGD = """
import optax
search_space = SPACE
def optimizer(workload, hyperparameters):
    return optax.sgd(hyperparameters.lr)
"""


def test_four_devices_give_the_lineage_of_one(tmp_path):
    # At the rates of nadamw's space a difference by rounding grows until a picture is told
    # otherwise; at these it does not.
    space = {"lr": {"min": 1e-3, "max": 1e-1, "scaling": "log"}}
    path = tmp_path / "mine.py"
    path.write_text(SGD.replace("SPACE", str(space)))
    spec = _spec(tmp_path / "four", submission=str(path))
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=4"
    done = _run_script(_script(spec), XLA_FLAGS=flags)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["stepping"]["num_devices"] == 4
    alone = _spec(tmp_path / "one", submission=str(path))
    _run(alone)
    generations = [lineage.read(Path(one.directory) / lineage.FILE) for one in (spec, alone)]
    assert any(one.parents != (0, 1, 2, 3) for one in generations[1])
    for found, other in zip(*generations, strict=True):
        assert (found.step, found.parents, found.points) == (
            other.step,
            other.parents,
            other.points,
        )
        np.testing.assert_allclose(
            np.array(found.fitness, float), np.array(other.fitness, float), rtol=1e-5
        )


@pytest.mark.parametrize(("rates", "status"), [([0.1, 1e30], "not_reached"), ([1e30], "diverged")])
def test_a_member_that_diverges_is_replaced_while_there_is_one_to_copy(tmp_path, rates, status):
    path = tmp_path / "mine.py"
    path.write_text(SGD.replace("SPACE", str({"lr": {"feasible_points": rates}})))
    rules = dataclasses.replace(RULES, resample_probability=0.0, fitness="training_loss")
    spec = _spec(tmp_path / "out", submission=str(path), max_global_steps=8, population=rules)
    record = _run(spec)
    assert record["status"] == status, record["error"]
    generations = lineage.read(tmp_path / "out" / lineage.FILE)
    if status == "diverged":
        assert record["winner"] is None
        return
    diverged = [m for m, point in enumerate(generations[0].points) if point["lr"] == 1e30]
    assert diverged and [f is None for f in generations[1].fitness] == [
        m in diverged for m in range(4)
    ]
    assert all(generations[1].parents[m] not in diverged for m in range(4))
    assert None not in [generations[2].fitness[m] for m in range(4) if m not in diverged]


@pytest.mark.parametrize("rules", [None, RULES])
def test_a_spec_survives_json(tmp_path, rules):
    spec = _spec(tmp_path, population=rules)
    assert TrialSpec.from_json(json.loads(json.dumps(dataclasses.asdict(spec)))) == spec
