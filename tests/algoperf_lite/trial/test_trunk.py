"""Budgets that share their stable part: each ends as it does alone, to the last bit."""

import csv
import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest
import trials

from algoperf_lite import tuning
from algoperf_lite.experiment.branching import Round
from algoperf_lite.training.clock import adds_up
from algoperf_lite.trial import attempts, checkpoints
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec
from tests.workloads import spirals_folder

BUDGETS = (0.25, 0.5, 1.0)  # of 400 steps, evaluated every 3 or 2, every 5, and every 10 of them
# What no two runs have alike, and the memory of a step, as a trunk has more sums of losses.
CLOCKS = {"accumulated_submission_time", "accumulated_eval_time", "accumulated_logging_time"}
CLOCKS |= {"score", "total_duration"}
OF_TIMES = {"ledger", "earlier_wall", "compile_seconds", "rows_sha256", "peak_memory_bytes"}
OF_TIMES |= {"step_bytes"}
AVERAGED = """
import optax
search_space = {"learning_rate": {"min": 0.01, "max": 0.1, "scaling": "log"}}
self_tuning_point = {"learning_rate": 0.03}
def optimizer(workload, hp, learning_rate):
    return optax.chain(optax.adam(learning_rate), optax.ema(0.9))
def eval_params(state, params):
    return params
"""
OF_HORIZON = """
import optax
self_tuning_point = {"learning_rate": 0.03}
def optimizer(workload, hp, learning_rate):
    return optax.chain(optax.ema(1 - 1 / workload.step_hint), optax.sgd(learning_rate))
"""


@pytest.fixture
def specs(tmp_path):
    """The trials of one contender on all budgets, in a folder of that name."""
    workload = spirals_folder.write(tmp_path / "spirals")
    path = tmp_path / "averaged.py"
    path.write_text(AVERAGED)
    ruleset = tuning.Ruleset("self", 1, 1, 1.0)

    def specs(folder, mode="single", schedule="wsd:fixed_warmup=0.02", **fields):
        config = ExperimentConfig(ruleset=ruleset, stop_at_target=False)
        base = TrialSpec(str(path), str(workload), 0, 1, "", config, schedule=schedule)
        base = dataclasses.replace(
            base,
            whole_horizon=True,
            stepping_mode=mode,
            steps_per_dispatch=8,
            in_step_with=() if mode == "single" else BUDGETS,
            **fields,
        )
        return [
            dataclasses.replace(
                base,
                budget=budget,
                entry=f"mine@{budget:g}",
                directory=str(tmp_path / folder / f"mine@{budget:g}" / "trial_1"),
                max_global_steps=round(400 * budget),
            )
            for budget in BUDGETS
        ]

    return specs


def _together(specs, **how):
    """The records of trials that share what they can, as an experiment runs them."""
    found = {}
    while specs:
        part = Round.of(specs)
        for one in part.now:
            found[one.budget] = trials.run(
                one, branches=part.branches.get(one.directory, ()), **how
            )
        specs = part.later
    return found


def _rows(spec):
    """The rows of both logs, without clocks."""
    found = []
    for name in ("eval_measurements.csv", "measurements.csv"):
        with (Path(spec.directory) / name).open() as file:
            rows = list(csv.DictReader(file))
        found += [{k: v for k, v in row.items() if k not in CLOCKS} for row in rows]
    return found


def _plain(record):
    return {name: value for name, value in record.items() if name not in {*OF_TIMES, "branch"}}


def _check_alike(shared, records, alone):
    for one, other in zip(shared, alone, strict=True):
        expected = trials.run(other)
        assert expected["status"] == "not_reached", expected["traceback"]
        record = records[one.budget]
        assert record["status"] == "not_reached", record["traceback"]
        assert _rows(one) == _rows(other)
        assert _plain(record) == _plain(expected)
        assert expected["branch"] is None
        assert adds_up(record["ledger"], record["ledger"]["wall"])


@pytest.mark.parametrize(
    ("mode", "schedule"),
    [
        ("single", "wsd:fixed_warmup=0.02"),
        pytest.param("loop", "wsd:fixed_warmup=0.02:end=0.1", marks=pytest.mark.slow),
        pytest.param("scan", "wsd:fixed_warmup=0.02:end=0.1", marks=pytest.mark.slow),
        pytest.param(
            "unrolled", "inverse_sqrt:decay=0.3:fixed_warmup=0.03", marks=pytest.mark.slow
        ),
        pytest.param("single", "power:decay=0.25:warmup=0:a=9", marks=pytest.mark.slow),
    ],
)
def test_each_budget_is_what_it_is_alone(specs, mode, schedule):
    shared = specs("shared", mode, schedule)
    records = _together(shared)
    branches = [records[budget]["branch"] for budget in BUDGETS[:2]]
    steps = [branch and branch["steps"] for branch in branches]
    assert records[1.0]["branch"] is None
    assert all(branch["from"] == "mine@1" for branch in branches)
    # The last evaluation before each cooldown: periods are 2.5 and 5 steps.
    share = 1 - float(schedule.partition("decay=")[2].partition(":")[0] or 0.2)
    assert 0 <= share * 100 + 2 - steps[0] < 4 and 0 <= share * 200 + 2 - steps[1] < 7
    for one, branch in zip(shared, branches, strict=False):
        with (Path(one.directory) / "eval_measurements.csv").open() as file:
            clocks = {
                int(row["global_step"]): float(row["accumulated_submission_time"])
                for row in csv.DictReader(file)
            }
        # Its clock goes on from the stable part's.
        assert clocks[branch["steps"]] == pytest.approx(branch["seconds"])
        assert list(clocks.values()) == sorted(clocks.values())
        assert not list(Path(one.directory).glob("interrupted_*"))
    _check_alike(shared, records, specs("alone", mode, schedule))


def test_the_state_that_a_branch_begins_with_is_its_own(specs, monkeypatch):
    shared, alone = specs("shared")[::2], specs("alone")[::2]
    part = Round.of(shared)
    trials.run(part.now[0], branches=part.branches[part.now[0].directory])
    [checkpoint] = checkpoints.found(Path(shared[0].directory))
    facts, arrays = checkpoint.read()
    with trials.cut_after(monkeypatch, checkpoint.step):
        trials.run(alone[0], checkpoint_share=1.0)
    own, expected = next(checkpoints.found(Path(alone[0].directory))).read()
    assert len(arrays) == len(expected)
    for found, wanted in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype
    assert facts["recorder"]["progress"] == own["recorder"]["progress"]
    assert not (Path(shared[0].directory) / attempts.FILE).exists()


@pytest.mark.slow
@pytest.mark.parametrize("step", [30, 82, 90])
def test_a_trunk_that_is_killed_goes_on_with_its_branches(specs, monkeypatch, step):
    # Before anybody branches off; right after the first has; and between the two.
    shared = specs("shared")
    run = functools.partial(_together, shared, checkpoint_share=1.0)
    with trials.cut_after(monkeypatch, step):
        run()
    records = run()
    assert [records[budget]["branch"] is not None for budget in BUDGETS] == [True, True, False]
    assert records[0.25]["preemption_count"] == records[0.5]["preemption_count"] == 0
    assert records[1.0]["preemption_count"] == 1
    for one, other in zip(shared, specs("alone"), strict=True):
        trials.run(other)
        for row, expected in zip(_rows(one), _rows(other), strict=True):
            assert {**row, "preemption_count": ""} == {**expected, "preemption_count": ""}


@pytest.mark.slow
def test_a_branch_that_is_killed_goes_on_by_itself(specs, monkeypatch):
    shared, [alone, *_] = specs("shared")[::2], specs("alone")
    with trials.cut_after(monkeypatch, 90):  # in the trunk, after it has let the branch go
        _together(shared, checkpoint_share=1.0)
    with trials.cut_after(monkeypatch, 95):  # in the branch: the trunk has no evaluation there
        _together(shared, checkpoint_share=1.0)
    record = trials.run(shared[0])
    assert record["preemption_count"] == 1 and record["branch"]["steps"] == 82
    trials.run(alone)
    for row, expected in zip(_rows(shared[0]), _rows(alone), strict=True):
        assert {**row, "preemption_count": ""} == {**expected, "preemption_count": ""}


@pytest.mark.slow
def test_what_has_nothing_in_common_is_trained_by_itself(specs, tmp_path, capfd):
    (tmp_path / "of_horizon.py").write_text(OF_HORIZON)
    mine = str(tmp_path / "of_horizon.py")
    shared, alone = (
        [dataclasses.replace(one, submission=mine) for one in specs(folder)[::2]]
        for folder in ("shared", "alone")
    )
    records = _together(shared)
    said = capfd.readouterr().out
    assert "mine@0.25 does not branch off: its optimizer depends on the horizon" in said
    assert records[0.25]["branch"] is None
    _check_alike(shared, records, alone)


@pytest.mark.slow
def test_a_budget_in_seconds_ends_a_branch_where_it_ends_alone(specs):
    shared = [dataclasses.replace(one, max_seconds=1e-3) for one in specs("shared")[:1]]
    shared += specs("shared")[2:]
    records = _together(shared)
    assert records[0.25]["status"] == "not_reached" and records[0.25]["branch"] is None
    assert records[0.25]["steps"] < 80 and records[1.0]["steps"] == 400


@pytest.mark.parametrize(
    ("fields", "num_branches"),
    [
        ({}, 2),
        ({"schedule": "wsd"}, 0),  # its warmup is a share of each horizon
        ({"schedule": "wsd:fixed_warmup=0.02:restarts=0.5"}, 0),
        ({"schedule": "cosine:warmup=0"}, 0),
        ({"schedule": "infinite:warmup=0"}, 0),
        ({"schedule": "inverse_sqrt:warmup=0:decay=0.1"}, 2),
        ({"stop_at_target": True}, 0),
        ({"diagnostics": True}, 0),
        ({"vectorize": "trials"}, 0),
    ],
)
def test_who_waits_for_whom(specs, fields, num_branches):
    config = {name: fields[name] for name in fields if name != "schedule"}
    found = specs("shared", **{name: fields[name] for name in fields if name == "schedule"})
    found = [
        dataclasses.replace(one, config=dataclasses.replace(one.config, **config)) for one in found
    ]
    part = Round.of(found)
    assert len(part.later) == num_branches
    assert [one.budget for one in part.now] == list(BUDGETS[num_branches:])
    assert [len(some) for some in part.branches.values()] == ([2] if num_branches else [])
    # Points are apart: each has a trunk of its own.
    others = [dataclasses.replace(one, trial=2, directory=f"{one.directory}2") for one in found]
    assert len(Round.of([*found, *others]).branches) == (2 if num_branches else 0)


def test_a_trial_that_was_begun_by_itself_goes_on_by_itself(specs):
    found = specs("shared")
    attempts.start(Path(found[0].directory), 1.0, None)
    part = Round.of(found)
    assert [one.budget for one in part.now] == [0.25, 1.0]
    assert [one.budget for one in part.later] == [0.5]
