"""Speedups over a reference: the right way up, and nothing left out in silence."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import scoring

BASE = ("a", "b", "c", "d")


def board_of(trial_of, benchmark_of, table, reference="ref", studies=2, **options):
    """A board of {submission: {workload: time or one time per study}}."""
    trials = [
        trial_of(name, study, workload, 1, times[study] if np.iterable(times) else times)
        for name, row in table.items()
        for workload, times in row.items()
        for study in range(len(times) if np.iterable(times) else studies)
    ]
    protocol = scoring.Protocol(reference=reference, **options)
    return scoring.score_trials(trials, benchmark_of(BASE), protocol)


def test_by_hand(trial_of, benchmark_of):
    never = None
    table = {
        "ref": {"a": 10.0, "b": 10.0, "c": never, "d": never},
        "x": {"a": 5.0, "b": 20.0 / 9.0, "c": 3.0, "d": never},
        "y": {"a": never, "b": 40.0},
    }
    found = board_of(trial_of, benchmark_of, table).speedups
    assert found.reference == "ref"
    x = found.submissions["x"]
    assert x.by_workload == pytest.approx({"a": 2.0, "b": 4.5})  # twice as fast is 2
    assert x.mean == pytest.approx(3.0)
    assert x.left_out == {"c": "only_submission", "d": "neither"}
    y = found.submissions["y"]
    assert y.mean == pytest.approx(0.25)
    assert y.left_out == {"a": "only_reference", "c": "neither", "d": "neither"}
    assert found.submissions["ref"].mean == 1.0
    assert (x.low, x.high) == pytest.approx((3.0, 3.0))  # equal studies leave no doubt


def test_times_count_before_the_gates(trial_of, benchmark_of):
    """Ten times slower than the fastest earns no score and is a tenth all the same."""
    board = board_of(trial_of, benchmark_of, {"ref": {"a": 1.0}, "x": {"a": 10.0}})
    assert board.speedups.submissions["x"].mean == pytest.approx(0.1)
    assert {e.submission: e.score for e in board.rows}["x"] == 0.0


def test_by_steps(trial_of, benchmark_of):
    board = board_of(trial_of, benchmark_of, {"ref": {"a": 8.0}, "x": {"a": 2.0}}, by="steps")
    assert board.speedups.submissions["x"].by_workload == pytest.approx({"a": 4.0})


def test_no_time_at_all_is_no_infinite_speed(trial_of, benchmark_of):
    table = {"ref": {"a": 4.0, "b": 0.0}, "x": {"a": 0.0, "b": 0.0}}
    x = board_of(trial_of, benchmark_of, table).speedups.submissions["x"]
    assert x.by_workload == {"b": 1.0}
    assert x.left_out == {"a": "zero_time", "c": "neither", "d": "neither"}


def test_nothing_to_compare(trial_of, benchmark_of):
    x = board_of(trial_of, benchmark_of, {"ref": {"a": None}, "x": {"a": 1.0}}).speedups
    assert (x.submissions["x"].mean, x.submissions["x"].low) == (None, None)


def test_one_study_has_no_interval(trial_of, benchmark_of):
    table = {"ref": {"a": (10.0,)}, "x": {"a": (5.0, 4.0)}, "y": {"a": (5.0, 4.0)}}
    row = board_of(trial_of, benchmark_of, table).speedups.submissions["x"]
    assert row.mean is not None and (row.low, row.high) == (None, None)
    row = board_of(trial_of, benchmark_of, table, reference="y").speedups.submissions["x"]
    assert row.low < 1.0 < row.high


def test_the_interval_is_students_for_two_studies(trial_of, benchmark_of):
    """Log times of two cells with the same spread: a variance with two degrees of freedom."""
    table = {"ref": {"a": (10.0, 12.0)}, "x": {"a": (6.0, 5.0)}}
    row = board_of(trial_of, benchmark_of, table).speedups.submissions["x"]
    spread = np.log(1.2) / np.sqrt(2)
    half = stats.t.ppf(0.975, 2) * spread
    assert row.mean == pytest.approx(2.0)
    assert np.log(row.low / 2) == pytest.approx(-half, rel=0.15)
    assert np.log(row.high / 2) == pytest.approx(half, rel=0.15)


def test_the_benchmark_names_the_reference(tmp_path, tree):
    for name, time in (("mine", 2.0), ("theirs", 6.0)):
        tree.trial(f"{name}/study_0/toy_jax/trial_1", times=(0.5, time))
    target = {"target_metric_name": "accuracy", "validation_target_value": 0.5, "step_hint": 10}
    content = {"base_workloads": ["toy"], "workloads": {"toy": target}, "reference": "theirs"}
    path = tmp_path / "own.json"
    path.write_text(json.dumps(content))
    board = tree.score(path)
    assert board.reference == "theirs"
    assert board.to_json()["speedup"]["submissions"]["mine"]["mean"] == pytest.approx(3.0)
    assert tree.score(path, reference="mine").speedups.submissions["theirs"].mean < 1.0
    path.write_text(json.dumps({**content, "reference": "somebody"}))
    board = tree.score(path)  # the benchmark's own need not have been run
    assert board.reference is None and board.to_json()["speedup"] is None
    assert board.to_json()["field_free"] is None
    with pytest.raises(ValueError, match="reference submission 'thiers' not found; did you mean"):
        tree.score(path, reference="thiers")


def test_references_of_shipped_benchmarks():
    assert scoring.load_benchmark("algoperf_v06").reference is None
    assert scoring.load_benchmark("lite").reference == "nadamw"


TIMES = st.one_of(st.none(), st.floats(1.0, 1e4))
ROW = st.tuples(*[st.lists(TIMES, min_size=2, max_size=3)] * 4)


@settings(max_examples=25, deadline=None)
@given(ROW, ROW, ROW)
def test_speedups_mirror_and_ignore_the_field(trial_of, benchmark_of, first, second, third):
    table = {name: dict(zip(BASE, row, strict=True)) for name, row in (("x", first), ("y", second))}
    over_x = board_of(trial_of, benchmark_of, table, reference="x").speedups.submissions["y"]
    over_y = board_of(trial_of, benchmark_of, table, reference="y").speedups.submissions["x"]
    assert set(over_x.by_workload) | set(over_x.left_out) == set(BASE)
    if over_x.mean is None:
        assert over_y.mean is None
    else:
        assert over_x.mean * over_y.mean == pytest.approx(1.0)
        if over_x.low is not None:
            assert over_x.low <= over_x.mean <= over_x.high
            assert over_x.low * over_y.high == pytest.approx(1.0, rel=5e-2)
    more = {**table, "z": dict(zip(BASE, third, strict=True))}
    beside = board_of(trial_of, benchmark_of, more, reference="x").speedups.submissions["y"]
    # What is sure of it is learnt from the whole board; the speedup itself is not.
    assert dataclasses.replace(beside, low=over_x.low, high=over_x.high) == over_x
