"""Scores against the reference alone: by hand, and whoever else is on the board."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scoring
from scoring.stats import reference_score

INF = float("inf")


def board_of(trial_of, benchmark_of, table, held_out=(), studies=2, mode="exact"):
    trials = [
        trial_of(name, study, workload, 1, time)
        for name, row in table.items()
        for workload, time in row.items()
        for study in range(studies)
    ]
    protocol = scoring.Protocol(reference="ref", mode=mode)
    return scoring.score_trials(trials, benchmark_of("abc", held_out), protocol)


REF = {"a": 10.0, "b": 10.0, "c": None}


def test_by_hand(trial_of, benchmark_of):
    x = {"a": 5.0, "b": 25.0, "c": 3.0}  # faster; r = 2.5, half the credit; alone to arrive
    y = {"a": 41.0, "b": None, "c": None}
    found = board_of(trial_of, benchmark_of, {"ref": REF, "x": x, "y": y}).reference_scores
    rows = found.submissions
    assert rows["x"].ratio_to_reference == {"a": 0.5, "b": 2.5, "c": 0.0}
    assert rows["x"].score == pytest.approx((1 + 0.5 + 1) / 3)
    assert rows["y"].ratio_to_reference == {"a": INF, "b": INF, "c": INF}
    assert rows["y"].score == 0.0
    assert rows["ref"].score == pytest.approx(2 / 3)  # its own: what it reached
    assert (rows["x"].low, rows["x"].high) == pytest.approx((rows["x"].score, rows["x"].score))
    assert found.to_json()["submissions"]["x"]["ratio_to_reference"]["c"] == 0.0
    assert found.to_json()["submissions"]["y"]["ratio_to_reference"]["a"] is None


def test_official_mode_uses_its_own_area(trial_of, benchmark_of):
    table = {"ref": {"a": 10.0}, "x": {"a": 15.0}}
    found = board_of(trial_of, benchmark_of, table, mode="official").reference_scores
    assert found.submissions["x"].score == pytest.approx(82.5 / 99 / 3)
    assert found.left_out == ()  # b and c: nobody was run on them, so nobody reached them


def test_held_out_workloads_gate_against_the_reference(trial_of, benchmark_of):
    ref = {"a": 10.0, "a_big": 10.0}
    table = {
        "ref": ref,
        "in": {"a": 10.0, "a_big": 40.0},
        "late": {"a": 10.0, "a_big": 41.0},
        "gone": {"a": 10.0, "a_big": None},
        "fast": {"a": 1.0, "a_big": 1.0},  # sets the field's gate, not this one
    }
    rows = board_of(trial_of, benchmark_of, table, ("a_big",)).reference_scores.submissions
    scores = {name: row.score for name, row in rows.items()}
    assert scores == pytest.approx({"ref": 1 / 3, "in": 1 / 3, "late": 0, "gone": 0, "fast": 1 / 3})


def test_a_variant_without_the_reference_sets_no_limit(trial_of, benchmark_of):
    table = {"ref": {"a": 10.0}, "x": {"a": 10.0, "a_big": 1e6}}
    rows = board_of(trial_of, benchmark_of, table, ("a_big",)).reference_scores.submissions
    assert rows["x"].score == pytest.approx(1 / 3)
    assert rows["ref"].score == 0.0  # its own gate holds for the reference too


def test_no_yardstick_no_score(trial_of, benchmark_of):
    table = {"ref": {"a": 10.0}, "x": {"a": 10.0, "b": 10.0, "c": None}}
    found = board_of(trial_of, benchmark_of, table).reference_scores
    assert found.left_out == ("b", "c")
    assert found.submissions["x"].score == 1.0
    table = {"ref": {"a_big": 10.0}, "x": {"a": 10.0}}
    assert board_of(trial_of, benchmark_of, table, ("a_big",)).reference_scores is None


def test_one_study_has_no_interval(trial_of, benchmark_of):
    rows = board_of(trial_of, benchmark_of, {"ref": REF, "x": REF}, studies=1).reference_scores
    assert isinstance(rows, reference_score.ReferenceScores)
    assert (rows.submissions["x"].low, rows.submissions["x"].high) == (None, None)


TIMES = st.fixed_dictionaries({w: st.one_of(st.none(), st.floats(1.0, 100.0)) for w in "abc"})


@settings(max_examples=30, deadline=None)
@given(TIMES, TIMES, TIMES, st.floats(0.1, 1.0), st.sampled_from("abc"))
def test_the_field_does_not_matter_and_faster_is_no_worse(
    trial_of, benchmark_of, ref, x, other, factor, workload
):
    table = {"ref": ref, "x": x}
    alone = board_of(trial_of, benchmark_of, table).reference_scores
    joined = board_of(trial_of, benchmark_of, {**table, "other": other}).reference_scores
    assert joined.submissions["x"] == alone.submissions["x"]
    row = alone.submissions["x"]
    assert 0.0 <= row.low <= row.score <= row.high <= 1.0
    faster = {**x, workload: (x[workload] or 100.0) * factor}
    better = board_of(trial_of, benchmark_of, {"ref": ref, "x": faster}).reference_scores
    assert better.submissions["x"].score >= row.score - 1e-12
