"""Whole experiments whose budgets share steps: what they say, leave behind and can verify."""

import json

import pytest

from algoperf_lite import api
from algoperf_lite.experiment import branch_report
from algoperf_lite.experiment.directory import Directory
from algoperf_lite.experiment.options import Request
from algoperf_lite.experiment.run import Quiet
from algoperf_lite.training.calibration import Calibration

MINE = """
import optax
search_space = {"learning_rate": {"min": 0.01, "max": 0.1, "scaling": "log"}}
def optimizer(workload, hyperparameters, learning_rate):
    return optax.sgd(learning_rate, momentum=0.9)
"""


class _Heard(Quiet):
    def __init__(self):
        self.lines, self.ended = [], []

    def say(self, line):
        self.lines.append(line)

    def on_end(self, trial, record):
        self.ended.append((trial, record))


@pytest.mark.slow
def test_an_experiment_branches_is_packed_and_verified(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    entry = {"target_metric_name": "accuracy", "validation_target_value": 0.99, "step_hint": 600}
    ruleset = {"num_studies": 1, "num_trials": 1, "slack": 1.0}
    rulesets = {"external": ruleset, "self": ruleset}
    goal = {"base_workloads": ["digits"], "workloads": {"digits": entry}, "rulesets": rulesets}
    (tmp_path / "goal.json").write_text(json.dumps(goal))
    options = {
        "submissions": [str(tmp_path / "mine.py")],
        "schedules": ["wsd:fixed_warmup=0.01", "wsd:cooldown=linear"],
        "budgets": [0.1, 0.2],
        "workloads": ["digits"],
        "benchmark": str(tmp_path / "goal.json"),
        "num_workers": 1,
        "budget_by": "steps",
    }
    # Given, as measuring it takes longer than the trials.
    settings = Request.of(options).config
    with Directory(tmp_path / "out", settings) as directory:
        directory.keep("digits", Calibration(0.01, 600, "single", 1, {"single": 0.01}, "given"))
    heard = _Heard()
    api.run(**options, reporter=heard, output_dir=tmp_path / "out")
    said = "\n".join(heard.lines)
    assert "mine+wsd(fixed_warmup=0.01): the stable part is trained once for all budgets" in said
    assert "mine+wsd(cooldown=linear): each budget is trained from its beginning" in said
    assert "1 of 4 trials branched off a larger budget's" in said
    branched = {trial.directory for trial, record in heard.ended if record["branch"]}
    assert len(heard.ended) == 4 and len(branched) == 1
    for trial, record in heard.ended:
        assert record["status"] == "not_reached", record["error"]
        is_branch = "fixed_warmup" in trial.schedule and trial.budget == 0.1
        assert (trial.directory in branched) == is_branch
        assert record["preemption_count"] == 0 and len(record["attempts"]) == 1
        assert record["ledger"]["setup"] > 0 and record["compile_seconds"] > 0
    again = _Heard()
    api.run(**options, reporter=again, output_dir=tmp_path / "out")
    assert not again.ended and not any("branch" in line for line in again.lines)
    api.pack(tmp_path / "out", tmp_path / "entry.zip")
    # Those that are drawn are trained again by themselves, and compared bit by bit.
    verdict = api.verify(
        tmp_path / "entry.zip", benchmark=tmp_path / "goal.json", steps=20, trials=4
    )
    # On a busy machine seconds are not confirmed; then there is no level.
    assert {row.kind for row in verdict.rows} <= {"time"}
    assert verdict.level == (None if verdict.rows else "L1")
    assert all(one.is_same_bits for one in verdict.replayed if one.is_same_machine)


def test_what_branching_saved_is_said_where_it_saved_something():
    record = {"branch": {"from": "a", "steps": 30, "seconds": 1.25}}
    said = branch_report.saving([record, {"branch": None}, record])
    assert said.startswith("2 of 3 trials branched off a larger budget's: 2.5 s of training, 60")
    assert branch_report.saving([{"branch": None}]) is None
