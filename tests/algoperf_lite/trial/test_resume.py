"""Going on: when a trial keeps its state, what it cannot keep, on which machine it goes on, and how
often it is tried. That it goes on exactly is for tests/faults to show."""

import csv
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jax.numpy as jnp
import numpy as np
import pytest
import trials

from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.experiment import jobs, plan
from algoperf_lite.machine import fingerprint
from algoperf_lite.training import snapshot
from algoperf_lite.training.clock import Ledger, adds_up
from algoperf_lite.trial import attempts, checkpoints, recorder, resume
from algoperf_lite.trial import logs as trial_logs
from algoperf_lite.trial.forms import algoperf_state


def _spec(tmp_path, **fields):
    return trials.on_digits(tmp_path / "trial_1", **{"max_global_steps": 30, **fields})


def _cut(monkeypatch, spec, step):
    """Runs a trial until right after its checkpoint at a step."""
    with trials.cut_after(monkeypatch, step):
        trials.run(spec, checkpoint_share=1.0)


@pytest.mark.parametrize(("share", "expected"), [(0.1, range(32, 35)), (1.0, [300]), (0.0, [0])])
def test_checkpoints_keep_to_their_share_of_the_wall_time(tmp_path, monkeypatch, share, expected):
    time = [0.0]
    ledger = Ledger(lambda: time[0])

    def save(*arguments):
        saved.append(arguments[1])
        time[0] += 1.0

    monkeypatch.setattr(checkpoints, "save", save)
    saved = []
    spec = _spec(tmp_path)
    logs = trial_logs.TrialLogs(Path(spec.directory), ["loss"])
    checkpointer = resume.Checkpointer(spec, ledger, resume.Attempt(checkpoint_share=share))
    for step in range(300):
        ledger.switch("update_params")
        time[0] += 1.0
        checkpointer.maybe_save(step, lambda step: ([], {}), {"rows": logs.marks})
    assert len(saved) in expected
    if share == 0.1:
        assert ledger.seconds("checkpoint") <= share * ledger.seconds()
        assert saved[0] < 12 and np.ptp(np.diff(saved)[1:]) <= 1  # evenly


def test_module_data_comes_back_as_it_was_or_is_refused():
    module = ModuleType("mine")
    module.step, module.held, module.cache = 3, None, {"a": [1.5, (True, "x")]}
    module.held = {"targets": jnp.arange(3), "rows": np.array([0.1])}
    module.function = len
    content, arrays = algoperf_state.module_data([module])
    content = json.loads(json.dumps(content))
    module.step, module.held, module.cache = 9, 7, None
    algoperf_state.put_back([module], content, arrays)
    assert (module.step, module.cache) == (3, {"a": [1.5, (True, "x")]})
    assert isinstance(module.held["rows"], np.ndarray)
    np.testing.assert_array_equal(module.held["targets"], [0, 1, 2])
    module.stream = iter([1, 2])
    with pytest.raises(snapshot.CannotCheckpoint, match=r"mine\.stream is a list_iterator"):
        algoperf_state.module_data([module])


def test_a_submission_with_state_that_cannot_be_kept_trains_without_checkpoints(tmp_path, capfd):
    source = Path(__file__).parents[2] / "faults" / "remembering"
    mine = tmp_path / "mine"
    mine.mkdir()
    for path in source.iterdir():
        if path.is_file():
            (mine / path.name).write_text(path.read_text())
    with (mine / "submission.py").open("a") as file:
        file.write("\nstream = iter([1, 2])\n")
    ruleset = tuning.Ruleset("external", 1, 1, 1.0)
    spec = _spec(tmp_path, submission=str(mine), ruleset=ruleset, max_global_steps=20)
    record = trials.run(spec, checkpoint_share=1.0)
    assert record["status"] == "not_reached", record["error"]
    assert not list(checkpoints.found(Path(spec.directory)))
    assert capfd.readouterr().out.count("no checkpoints of this trial") == 1


def test_on_another_machine_it_goes_on_and_its_seconds_are_nobodys(tmp_path, monkeypatch):
    spec = _spec(tmp_path)
    _cut(monkeypatch, spec, 15)
    here = fingerprint.fingerprint()
    monkeypatch.setattr(fingerprint, "fingerprint", lambda: {**here, "key": "elsewhere"})
    record = trials.run(spec)
    assert record["status"] == "not_reached", record["error"]
    assert record["fingerprint"]["key"] == f"{here['key']}+elsewhere"
    assert record["preemption_count"] == 1
    assert adds_up(record["ledger"], record["ledger"]["wall"])


PART = """
import json, os, sys
from algoperf_lite.trial import checkpoints
from algoperf_lite.trial import run as trial
from algoperf_lite.trial.spec import TrialSpec
save = checkpoints.save
def cut(directory, at, *arguments):
    save(directory, at, *arguments)
    if at >= {end}:
        os._exit(0)
checkpoints.save = cut
record = trial.run(TrialSpec.from_json(json.loads({spec!r})), checkpoint_share=1.0).to_json()
print(json.dumps([record["stepping"]["num_devices"], record["fingerprint"]["key"]]))
"""
CALM = """
import optax
def optimizer(workload, hyperparameters):
    return optax.sgd(0.03, momentum=0.9)
"""


def _part(spec, num_devices, end):
    """Trains on so many devices until a checkpoint at a step or later, and returns what it said."""
    script = PART.format(end=end, spec=json.dumps(dataclasses.asdict(spec)))
    # More threads than XLA takes for 2 cores, all of which may wait for each other in a reduction.
    simulated = {"JAX_NUM_CPU_DEVICES": str(num_devices), "NPROC": "16"}
    command = [sys.executable, "-c", script]
    environment = {**os.environ, **simulated}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_checkpoint_of_one_device_goes_on_on_four_and_back(tmp_path):
    (tmp_path / "calm.py").write_text(CALM)
    whole, moved = (
        _spec(tmp_path, submission=str(tmp_path / "calm.py"), directory=str(tmp_path / name))
        for name in ("whole", "moved")
    )
    _part(whole, 1, 99)
    _part(moved, 1, 10)
    _part(moved, 4, 20)
    num_devices, key = json.loads(_part(moved, 1, 99).splitlines()[-1])
    assert num_devices == 1 and key.count("+") == 1
    found, expected = ((Path(s.directory) / "eval_measurements.csv") for s in (moved, whole))
    with found.open() as one, expected.open() as other:
        rows = list(zip(csv.DictReader(one), csv.DictReader(other), strict=True))
    assert [row["preemption_count"] for row, _ in rows][-1] == "2"
    for row, wanted in rows:
        assert row["global_step"] == wanted["global_step"]
        assert float(row["validation/loss"]) == pytest.approx(
            float(wanted["validation/loss"]), rel=1e-4
        )


def test_rows_that_the_harness_did_not_write_are_not_gone_on_from(tmp_path, monkeypatch, capfd):
    spec, log = _spec(tmp_path), recorder.Recorder.log

    def tampering(self, evaluation, off_clock):
        value = log(self, evaluation, off_clock)
        if evaluation.step == 8:
            path = Path(spec.directory) / "eval_measurements.csv"
            path.write_text(path.read_text().replace("0.", "0.9", 1))
        return value

    monkeypatch.setattr(recorder.Recorder, "log", tampering)
    _cut(monkeypatch, spec, 8)
    monkeypatch.setattr(recorder.Recorder, "log", log)
    capfd.readouterr()
    saved = resume.begin(spec, 0.0, 0.0).saved
    assert saved is None  # the rows before, which earlier checkpoints go on from, are changed too
    assert "other lines in eval_measurements.csv" in capfd.readouterr().out


def test_another_seed_or_text_of_the_submission_starts_again(tmp_path, monkeypatch, capfd):
    spec = _spec(tmp_path)
    _cut(monkeypatch, spec, 8)
    other = resume.begin(_spec(tmp_path, rng_seed=1), 0.0, 0.0)
    assert other.saved is None and other.number == 1
    said = capfd.readouterr().out
    assert "is of another trial" in said and "starting again" in said


ONCE = """
import os, pathlib, signal
import optax
def optimizer(workload, hyperparameters):
    flag = pathlib.Path({flag!r})
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return optax.sgd(0.1)
"""
# What would happen again, each before the first step is done.
AGAIN = {
    "at import": "raise KeyError('no such thing')\n",
    "exit": "import sys\nsys.exit('without a word')\n",
    "no optimizer": "x = 1\n",
    "in the first step": """
import optax
def optimizer(workload, hyperparameters):
    def update(updates, state, params=None):
        return updates[0], state
    return optax.GradientTransformation(lambda params: (), update)
""",
}


@pytest.mark.parametrize(("max_retries", "ends"), [(0, ["crashed"]), (1, ["crashed", "reached"])])
def test_a_killed_trial_is_tried_again_and_both_attempts_are_told(tmp_path, max_retries, ends):
    path = tmp_path / "mine.py"
    path.write_text(ONCE.format(flag=str(tmp_path / "flag")))
    spec = _spec(tmp_path, submission=str(path), target=0.2)
    told, here = [], local.local(1, 1)
    limits = jobs.Limits(max_retries=max_retries)
    [(_, record)] = jobs.run([spec], here, lambda t, e: told.append(e["event"]), limits=limits)
    assert [end["ended"] for end in record["attempts"]] == ends
    assert record["status"] == ends[-1]
    assert told.count("retry") == len(ends) - 1
    directory = Path(spec.directory)
    assert attempts.ended(directory) == trial_logs.read_record(directory)["attempts"]
    # One that crashed is left to try as soon as more attempts are allowed.
    assert plan.unfinished([spec], max_retries) == []
    assert bool(plan.unfinished([spec], 1)) == (ends == ["crashed"])


@pytest.mark.parametrize("text", AGAIN.values(), ids=AGAIN)
def test_a_crash_before_the_first_step_is_done_is_not_tried_again(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_text(text)
    spec, told = _spec(tmp_path, submission=str(path)), []
    [(_, record)] = jobs.run([spec], local.local(1, 1), lambda t, e: told.append(e["event"]))
    assert (record["status"], record["stage"], "retry" in told) == ("crashed", "start", False)
    assert [end["ended"] for end in record["attempts"]] == ["crashed"]
    # The same command leaves it, and one that allows more attempts than before tries it.
    assert [bool(plan.unfinished([spec], n)) for n in (0, 1, 2)] == [False, False, True]
