"""Terms of trials: which come from a benchmark, which from a measurement."""

import pytest

from algoperf_lite import tuning
from algoperf_lite.experiment import plan
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial import resume
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec
from scoring import benchmark

GOAL = benchmark.load("algoperf_2026")
MEASURED = Calibration(0.5, 52_000, "scan", 8, {}, "key")


def _planned(tmp_path, *budgets, workload="ogbg", goal=GOAL, slack=1.5, **settings):
    rules = tuning.Ruleset("self", 1, 1, slack)
    config = ExperimentConfig(scale="full", ruleset=rules, **settings)
    entries = [Contender("nadamw.py", None, budget) for budget in budgets or (None,)]
    return plan.Experiment(tmp_path, config, entries, (workload,), {}, goal, "/data")


def test_published_budgets_need_no_calibration(tmp_path):
    planned = _planned(tmp_path)
    assert planned.to_calibrate == []
    [trial] = planned.plan({})
    assert (trial.max_seconds, trial.max_global_steps) == (1.5 * 11_303, None)
    assert (trial.stepping_mode, trial.steps_per_dispatch) == ("single", 1)
    assert trial.num_evals == 25  # AlgoPerf's 452 seconds apart
    assert trial.data_dir == "/data"


def test_parts_of_a_budget_have_parts_of_everything(tmp_path):
    quarter, tiny = _planned(tmp_path, 0.25, 0.01, slack=1.0).plan({})
    found = (tiny.budget, tiny.max_seconds, tiny.max_global_steps, tiny.num_evals)
    assert found == (0.01, pytest.approx(113.03), 520, 1)
    assert (quarter.max_global_steps, quarter.num_evals) == (13_000, 6)


def test_steps_of_the_benchmark_need_no_calibration_either(tmp_path):
    [trial] = _planned(tmp_path, budget_by="steps").plan({})
    assert (trial.max_seconds, trial.max_global_steps, trial.num_evals) == (None, 78_000, 25)


def test_seconds_of_this_machine_have_to_be_measured(tmp_path):
    planned = _planned(tmp_path, budget_by="time")
    assert planned.to_calibrate == ["ogbg"]
    [trial] = planned.plan({"ogbg": MEASURED})
    assert trial.max_seconds == 1.5 * 26_000
    assert (trial.stepping_mode, trial.num_evals) == ("single", 25)


def test_what_the_benchmark_does_not_know_is_measured_too(tmp_path):
    planned = _planned(tmp_path, workload="fashion_mnist", budget_by="steps")
    assert planned.to_calibrate == ["fashion_mnist"]
    [trial] = planned.plan({"fashion_mnist": MEASURED})
    assert (trial.max_global_steps, trial.num_evals) == (78_000, 40)
    with pytest.raises(ValueError, match="no published budget for 'fashion_mnist'"):
        _planned(tmp_path, workload="fashion_mnist").plan({"fashion_mnist": MEASURED})


def test_a_trial_goes_on_where_its_data_are_mounted_elsewhere(tmp_path):
    first, second = (
        TrialSpec("nadamw", "ogbg", 0, 1, str(tmp_path), data_dir=folder) for folder in ("/a", "/b")
    )
    assert first == second and hash(first) == hash(second)
    assert resume._terms(first) == resume._terms(second)
