"""Trials that train together: the curves and statuses of trials alone, on a replayed clock."""

import csv
import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import trials

from algoperf_lite import tuning
from algoperf_lite.experiment import jobs
from algoperf_lite.experiment.directory import Directory
from algoperf_lite.training.clock import SingleTrialSeconds, adds_up
from algoperf_lite.trial import attempts, logs, replayed_clock, vectorized
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec

CLI = [sys.executable, "-m", "algoperf_lite"]
SGD = """
import optax
search_space = [{points}]
def optimizer(workload, hyperparameters):
    if hyperparameters.kind == "wrong":
        raise ValueError("no such kind")
    return optax.sgd(hyperparameters.learning_rate, nesterov=hyperparameters.kind == "nesterov")
"""


def _specs(folder, path, num_trials, **fields):
    # A horizon of 200 steps, at learning rates of any size.
    defaults = {"budget": 1 / 3, "max_global_steps": 50, "parameter_multiplier": 1.0}
    rules = tuning.Ruleset("external", 1, num_trials, 1.0)
    return [
        TrialSpec(
            *(str(path), "digits", 0, number, str(folder / f"trial_{number}")),
            ExperimentConfig(ruleset=rules),
            **{**defaults, **fields},
        )
        for number in range(1, num_trials + 1)
    ]


def _sgd(tmp_path, *points):
    path = tmp_path / "sgd.py"
    named = ({"learning_rate": rate, "kind": kind} for rate, kind in points)
    path.write_text(SGD.format(points=", ".join(map(repr, named))))
    return path


def _rows(directory):
    with (Path(directory) / "eval_measurements.csv").open() as file:
        return list(csv.DictReader(file))


def _curves(directory, names=("/", "learning_rate", "global_step")):
    return [
        {name: float(x or "nan") for name, x in row.items() if any(n in name for n in names)}
        for row in _rows(directory)
    ]


def _check_same_curves(found, expected, rtol):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=rtol, err_msg=name)


def test_trials_together_are_the_trials_alone(tmp_path):
    # One of them diverges, and two have values that no program can share with the others'.
    kinds = "plain", "plain", "wrong", "plain", "nesterov"
    path = _sgd(tmp_path, *zip((0.1, 1e30, 0.1, 0.05, 0.1), kinds, strict=True))
    specs = _specs(tmp_path / "together", path, 5)
    began = time.monotonic()
    records = _together(specs)
    wall = time.monotonic() - began
    alone = _specs(tmp_path / "alone", path, 5)
    for spec, single, record in zip(specs, alone, records, strict=True):
        expected = trials.run(single)
        assert record["error"] == expected["error"]
        for name in ("status", "steps", "best", "final", "hyperparameters", "num_params"):
            assert record[name] == expected[name], name
        _check_same_curves(_curves(spec.directory), _curves(single.directory), rtol=0)
        assert (record["timing"], expected["timing"]) == ("replayed", "measured")
        files = {path.name for path in Path(single.directory).iterdir()}
        assert {path.name for path in Path(spec.directory).iterdir()} == files - {attempts.FILE}
    ended = ["not_reached", "diverged", "crashed", "not_reached", "not_reached"]
    assert [record["status"] for record in records] == ended
    members = [record["population"].get("members") for record in records]
    assert members == [3, 3, None, 3, 1]
    # Shares add up to the process's ledger, and that to the time that went by.
    for record in records:
        assert adds_up(record["population"]["ledger"], wall)
    spent = sum(record["ledger"]["wall"] for record in records)
    assert spent == pytest.approx(records[0]["population"]["ledger"]["wall"])


def _together(specs):
    return [record.to_json() for record in vectorized.run(specs)]


def _slow(stepper, state, period, init_seconds, compile_seconds):
    """A measurement of steps so slow that running them together pays."""
    return SingleTrialSeconds(2.0, 5.0, 1.0, 0.5, (1.0, 1.0), 9)


def test_budget_and_target_hold_on_the_replayed_clock(tmp_path, monkeypatch):
    monkeypatch.setattr(replayed_clock, "measure", _slow)
    limits = {"max_seconds": 40.0, "target": 0.5, "max_global_steps": None}
    specs = _specs(tmp_path / "together", "nadamw", 3, **limits)
    records = _together(specs)
    assert records[0]["stepping"]["chunk_size"] == 3
    alone = _specs(tmp_path / "alone", "nadamw", 3, target=0.5, max_global_steps=30)
    for spec, single, record in zip(specs, alone, records, strict=True):
        expected = trials.run(single)
        rows = _rows(spec.directory)
        for number, row in enumerate(rows, 1):
            seconds = 2.0 + int(row["global_step"]) * 1.0 + number * 0.5
            assert float(row["accumulated_submission_time"]) == seconds <= 40.0
        assert record["status"] == expected["status"]
        assert record["steps_to_target"] == expected["steps_to_target"]
        if record["status"] == "reached":
            assert record["time_to_target"] == float(rows[-1]["score"])
        else:
            assert record["steps"] == 35  # after 41 s, so that it was not evaluated any more
            assert rows[-1]["global_step"] == "30"
        _check_same_curves(
            *(
                _curves(directory, ["validation/"])
                for directory in (spec.directory, single.directory)
            ),
            rtol=1e-4,
        )
    assert {record["status"] for record in records} == {"reached", "not_reached"}


def test_compilation_counts_where_it_is_to_count():
    alone = SingleTrialSeconds(2.0, 5.0, 1.0, 0.5, (1.0, 1.0), 9)
    assert alone.seconds(10, 3) == 13.5
    assert alone.seconds(10, 3, count_compile=True) == 18.5


def test_a_submission_that_fails_ends_all_its_trials(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text("raise MemoryError('too big')\n")
    records = _together(_specs(tmp_path / "out", path, 2))
    assert [record["status"] for record in records] == ["out_of_memory"] * 2
    assert "too big" in records[1]["error"]


def test_groups_are_split_only_to_keep_all_workers_busy(tmp_path):
    first = _specs(tmp_path, "nadamw", 5)
    trials = [
        dataclasses.replace(spec, submission=name, directory=f"{name}/{spec.directory}")
        for spec in first
        for name in ("a", "b", "c")
    ]

    def sizes(trials, num_slots):
        groups = jobs.populations(trials, num_slots)
        assert sorted(t.directory for g in groups for t in g) == sorted(t.directory for t in trials)
        assert all(len({trial.submission for trial in group}) == 1 for group in groups)
        return [len(group) for group in groups]

    assert sizes(trials, 1) == [5, 5, 5]
    assert sizes(trials, 2) == [5, 5, 3, 2]
    assert sizes(trials, 3) == [5, 5, 5]
    assert sizes(trials, 4) == [3, 2, 3, 2, 3, 2]
    assert sizes(first[:1], 2) == [1]
    assert sizes([], 2) == []


def _run(output, *flags):
    return subprocess.run(
        [
            *(*CLI, "run", "--submissions=nadamw", "--workloads=digits", "--num_studies=1"),
            *("--num_tuning_trials=2", "--max_global_steps=20", f"--output_dir={output}", *flags),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_run_of_populations_equals_a_plain_one_and_goes_on(tmp_path):
    together, alone = tmp_path / "together", tmp_path / "alone"
    flags = ("--vectorize=trials", "--budget_by=steps")
    done = _run(together, *flags, "--num_workers=1")
    assert done.returncode == 0, done.stderr
    assert "start  nadamw on digits (2 trials together)" in done.stdout
    assert "2/2  nadamw on digits" in done.stdout
    assert _run(alone, "--budget_by=steps").returncode == 0
    folders = [f"nadamw/study_0/digits_jax/trial_{number}" for number in (1, 2)]
    for folder in folders:
        ours, theirs = (logs.read_record(base / folder) for base in (together, alone))
        assert ours["status"] == theirs["status"]
        assert ours["fingerprint"]["key"] == theirs["fingerprint"]["key"]
        _check_same_curves(_curves(together / folder), _curves(alone / folder), rtol=1e-5)
    # What is not finished runs again, and only that.
    kept = (together / folders[0] / "trial.json").read_bytes()
    (together / folders[1] / "trial.json").unlink()
    again = _run(together, *flags)
    assert "2 trials, of which 1 are finished already" in again.stdout
    assert (together / folders[0] / "trial.json").read_bytes() == kept
    assert (together / folders[1] / "interrupted_0" / "eval_measurements.csv").exists()
    record = logs.read_record(together / folders[1])
    assert (record["timing"], record["population"]["members"]) == ("replayed", 1)


def test_a_directory_mixes_no_measured_and_replayed_times(tmp_path):
    settings = ExperimentConfig("lite", "lite", tuning.Ruleset("external", 3, 5, 1.0))
    replayed = dataclasses.replace(settings, vectorize="trials")
    with Directory(tmp_path, settings):
        pass
    with pytest.raises(ValueError, match="vectorize is 'none' there and 'trials' here"):
        Directory(tmp_path, replayed)
    file = tmp_path / "experiment.json"
    content = json.loads(file.read_text())
    del content["settings"]["vectorize"]  # as written before there was the setting
    file.write_text(json.dumps(content))
    with Directory(tmp_path, settings):
        pass
