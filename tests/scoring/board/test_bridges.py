"""Bridges between classes of hardware: ratios that were put in come out, with intervals."""

import json

import numpy as np
import pytest

from scoring.board import bridges
from scoring.board.groups import Group
from scoring.board.settings import Hardware
from scoring.logs.read import Trial
from studies.measurements import board_site

SLOW, FAST = (Hardware(name, name, (), {}) for name in ("slow", "fast"))


def _trial(submission, workload, seconds_of_a_step, num_rows=3, start=5.0):
    steps = 10.0 * np.arange(num_rows)
    seconds = start + seconds_of_a_step * steps
    return Trial(
        submission, 0, workload, "jax", 1, "", steps, seconds, seconds, np.zeros(num_rows), {}
    )


def _group(hardware, benchmark="lite_v2", ruleset="self"):
    return Group(benchmark, ruleset, hardware, ())


def test_a_step_s_seconds_are_those_between_evaluations_and_medians_over_trials():
    trials = [_trial("a", "digits", cost) for cost in (0.1, 0.2, 9.0)]
    assert bridges.costs(trials) == {("a", "digits"): pytest.approx(0.2)}


@pytest.mark.parametrize("cost", [0.0, -1.0, np.nan, np.inf])
def test_a_log_that_cannot_be_true_says_nothing(cost):
    trial = _trial("a", "digits", 1.0)
    trial.seconds[-1] = trial.seconds[0] + cost
    assert bridges.costs([trial]) == {}


def test_a_trial_with_one_evaluation_says_nothing():
    assert bridges.costs([_trial("a", "digits", 0.1, num_rows=1)]) == {}


def test_ratios_are_geometric_means_over_submissions_and_then_workloads():
    slow = {("a", "digits"): 2.0, ("b", "digits"): 8.0, ("a", "wmt"): 3.0, ("c", "wmt"): 1.0}
    fast = {("a", "digits"): 1.0, ("b", "digits"): 1.0, ("a", "wmt"): 1.0, ("d", "wmt"): 1.0}
    (found,) = bridges.between([(_group(SLOW), slow), (_group(FAST), fast)])
    assert (found.first, found.second, found.submissions) == (SLOW, FAST, ("a", "b"))
    assert found.by_workload == {"digits": pytest.approx(1 / 4), "wmt": pytest.approx(1 / 3)}
    assert found.ratio == pytest.approx(12**-0.5)
    # Student's t with one degree of freedom: 12.706 times the standard error.
    reach = 12.706 * np.log(4 / 3) / 2
    assert found.low == pytest.approx(12**-0.5 * np.exp(-reach), rel=1e-3)
    assert found.high == pytest.approx(12**-0.5 * np.exp(reach), rel=1e-3)
    assert "on fast as on slow" in found.sentence() and "on 2 workloads" in found.sentence()


def test_intervals_hold_the_truth_as_often_as_they_say():
    random = np.random.default_rng(0)
    held = []
    for _ in range(1000):
        slow = {("a", f"w{i}"): float(np.exp(random.normal(0.5, 0.3))) for i in range(6)}
        fast = dict.fromkeys(slow, 1.0)
        (found,) = bridges.between([(_group(FAST), fast), (_group(SLOW), slow)])
        held.append(found.low < np.exp(0.5) < found.high)
    assert 0.93 < np.mean(held) < 0.97


def test_one_workload_has_no_interval_and_nothing_shared_has_no_bridge():
    cost = {("a", "digits"): 1.0}
    (found,) = bridges.between([(_group(SLOW), cost), (_group(FAST), {("a", "digits"): 0.5})])
    assert found.low is found.high is None and "(" not in found.sentence()
    assert bridges.between([(_group(SLOW), cost), (_group(FAST), {("a", "wmt"): 1.0})]) == ()
    other = _group(FAST, benchmark="lite_v1")
    assert bridges.between([(_group(SLOW), cost), (other, cost)]) == ()


def test_rulesets_of_a_class_are_one_side():
    costs = [{("a", "digits"): 1.0}, {("a", "wmt"): 1.0}, {("a", "digits"): 2.0, ("a", "wmt"): 2.0}]
    places = [_group(SLOW, ruleset="self"), _group(SLOW, ruleset="external"), _group(FAST)]
    (found,) = bridges.between(list(zip(places, costs, strict=True)))
    assert found.by_workload == {"digits": pytest.approx(2.0), "wmt": pytest.approx(2.0)}


def test_absurd_numbers_stay_json():
    slow, fast = {("a", "x"): 1e-300, ("a", "y"): 1e300}, {("a", "x"): 1e300, ("a", "y"): 1e-300}
    (found,) = bridges.between([(_group(SLOW), slow), (_group(FAST), fast)])
    json.dumps(found.to_json(), allow_nan=False)


def test_a_site_shows_the_bridge_between_two_machines(tmp_path):
    from scoring.board import site

    board = tmp_path / "board"
    board.mkdir()
    (board / "board.toml").write_text(board_site.SETTINGS)
    for seed, machine in enumerate((board_site.MACHINE, {"key": "f" * 16, "cpu": "<b>other"})):
        made = board_site.files("one", ("digits", "wmt"), 2, seed)
        for path in [path for path in made if path.endswith("trial.json")]:
            made[path] = json.dumps({**json.loads(made[path]), "fingerprint": machine}).encode()
        board_site.add(board, made, fingerprints={machine["key"]: machine})
    site.board_build(board, tmp_path / "site")
    (found,) = json.loads((tmp_path / "site" / "boards" / "bridges.json").read_text())
    assert set(found["by_workload"]) == {"digits", "wmt"}
    assert found["low"] < found["ratio"] < found["high"]
    page = (tmp_path / "site" / "index.html").read_text()
    assert "times as long on machine of fingerprint ffffffffffffffff as on One machine" in page
