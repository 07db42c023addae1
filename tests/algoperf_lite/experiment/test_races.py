"""Whole races: scores are those of complete trials, and their records pass verification."""

import json
import shutil
from collections import Counter

import pytest

from algoperf_lite import api
from algoperf_lite.trial import logs

pytestmark = pytest.mark.slow

MINE = """
import optax
search_space = [{"rate": 0.001}, {"rate": 0.03}, {"rate": 0.0001}]
def optimizer(workload, hyperparameters):
    return optax.sgd(hyperparameters.rate, momentum=0.9)
"""


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """An experiment of two studies with three trials each on a workload that is soon done."""
    folder = tmp_path_factory.mktemp("options")
    ruleset = {"num_studies": 2, "num_trials": 3, "slack": 1.0}
    entry = {"target_metric_name": "accuracy", "validation_target_value": 0.85, "step_hint": 600}
    content = {
        "base_workloads": ["digits"],
        "workloads": {"digits": entry},
        "rulesets": {"external": ruleset, "self": ruleset},
    }
    (folder / "goal.json").write_text(json.dumps(content))
    (folder / "mine.py").write_text(MINE)
    return {
        "submissions": [str(folder / "mine.py")],
        "workloads": ["digits"],
        "benchmark": str(folder / "goal.json"),
        "budget_by": "steps",
    }


@pytest.fixture(scope="module")
def raced(options, tmp_path_factory):
    output = tmp_path_factory.mktemp("raced") / "out"
    api.run(**options, output_dir=output, race=True, num_workers=2)
    return output


def _numbers(folder, goal):
    content = api.score(folder, benchmark=goal, by="steps").leaderboard.to_json()
    parts = ("scores", "time_to_target", "steps_to_target", "ratio_to_best", "rank_probability")
    return {name: content[name] for name in parts}


def _records(folder):
    return [
        (path.parent, record)
        for path in sorted(folder.glob("*/*/*/*/trial.json"))
        if (record := logs.read_record(path.parent)) is not None
    ]


def test_scores_are_those_of_complete_trials(options, raced, tmp_path):
    api.run(**options, output_dir=tmp_path / "whole", num_workers=2)
    goal = options["benchmark"]
    assert _numbers(raced, goal) == _numbers(tmp_path / "whole", goal)
    counts = Counter(record["status"] for _, record in _records(raced))
    assert counts["outrun"] >= 2 and counts["reached"] >= 2, counts
    steps = {
        folder: sum(record["steps"] for _, record in _records(folder))
        for folder in (raced, tmp_path / "whole")
    }
    assert steps[raced] < steps[tmp_path / "whole"]


def test_a_race_is_packed_verified_and_told_of(options, raced, tmp_path):
    api.pack(raced, tmp_path / "entry.zip")
    verdict = api.verify(tmp_path / "entry.zip", benchmark=options["benchmark"])
    assert verdict.rows == () and verdict.level == "L0"
    board = api.score(raced, benchmark=options["benchmark"]).leaderboard
    assert board.rows[0].statuses["digits"]["outrun"] >= 2
    assert not [anomaly for anomaly in board.anomalies if anomaly.kind == "unknown_status"]


def test_who_was_outrun_by_nobody_does_not_pass(options, raced, tmp_path):
    shutil.copytree(raced, tmp_path / "forged")
    for folder, record in _records(tmp_path / "forged"):
        if record["status"] == "outrun":
            record["outrun"]["steps"] = 1
            (folder / "trial.json").write_text(json.dumps(record))
    api.pack(tmp_path / "forged", tmp_path / "forged.zip")
    found = api.verify(tmp_path / "forged.zip", benchmark=options["benchmark"]).rows
    assert {row.kind for row in found} == {"result"}
    assert "no trial of its study is ahead" in found[0].what


def test_the_same_command_goes_on_and_runs_what_is_void_again(options, raced, tmp_path):
    shutil.copytree(raced, tmp_path / "out")
    before = {folder: record for folder, record in _records(tmp_path / "out")}
    # With or without the flag, since scores are the same.
    api.run(**options, output_dir=tmp_path / "out", num_workers=2)
    assert dict(_records(tmp_path / "out")) == before
    for folder, record in before.items():
        if record["status"] == "reached" and record["study"] == 0:
            shutil.rmtree(folder)
    api.run(**options, output_dir=tmp_path / "out", race=True, num_workers=2)
    after = {folder: record for folder, record in _records(tmp_path / "out")}
    assert after.keys() == before.keys()
    changed = {folder for folder in before if after[folder] != before[folder]}
    assert {before[folder]["status"] for folder in changed} == {"reached", "outrun"}
    assert all(before[folder]["study"] == 0 for folder in changed)
    goal = options["benchmark"]
    assert _numbers(tmp_path / "out", goal) == _numbers(raced, goal)
