"""Two hand-made boards compared: pairs counted by hand, workloads, matching, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from boards import logs, scores, trial

from scoring.benchmark import Target
from scoring.protocol import Protocol
from scoring.stats import agreement, fidelity, measures
from scoring.stats.fidelity import compare
from scoring.stats.measures import Measure
from scoring.stats.sides import Side

# Seconds of three studies on two workloads. On A the order is a, b, c, d, and a and b overlap so
# that no study can tell them apart; on B it is a, b, d, c, all clear.
ON_A = {
    "a": {"v": (10, 10.5, 9.5), "w": (10, 10.5, 9.5)},
    "b": {"v": (10.2, 9.6, 10.6), "w": (10.2, 9.6, 10.6)},
    "c": {"v": (15, 15.1, 15.2), "w": (15, 15.1, 15.2)},
    "d": {"v": (30, 30.1, 30.2), "w": (30, 30.1, 30.2)},
}
ON_B = {
    "a": {"v": (100, 101, 102), "w": (100, 101, 102)},
    "b": {"v": (150, 151, 152), "w": (150, 151, 152)},
    "c": {"v": (300, 301, 302), "w": (300, 301, 302)},
    "d": {"v": (200, 201, 202), "w": (200, 201, 202)},
}


def test_pairs_that_both_sides_can_tell_apart_are_counted():
    found = compare(logs(ON_A), logs(ON_B, "B")).whole
    pairs = found.pairs
    assert (pairs.total, pairs.by_a, pairs.by_b) == (6, 5, 6)  # all but a and b on A
    assert (pairs.both, pairs.agreeing, pairs.share) == (5, 4, 0.8)
    assert pairs.disagreeing == (("c", "d"),)
    # a (10) is above b (10.2) by the bare median, as on B; c and d are the other way round.
    assert pairs.as_b == 5
    assert found.tau.value == pytest.approx((5 - 1) / 6)
    assert found.num_submissions == 4


def test_tau_moves_over_studies_where_some_overlap():
    tau = compare(logs(ON_A), logs(ON_B, "B")).whole.tau
    assert tau.studies == pytest.approx((2 / 6, 4 / 6))  # a and b change places
    assert tau.workloads == pytest.approx((4 / 6, 4 / 6))  # both workloads are alike


def test_a_published_table_tells_all_pairs_apart_whose_scores_differ():
    found = compare(logs(ON_A), scores({"a": 0.9, "b": 0.8, "c": 0.5, "d": 0.5}))
    assert found.whole.b_by == "published score"
    assert (found.whole.pairs.by_b, found.whole.pairs.both) == (5, 4)  # c and d are equal on B
    assert found.whole.pairs.agreeing == 4
    assert [one.alone for one in found.carried_by] == [None, None]
    assert found.points[0].b_limits == (None, None)
    assert found.workloads == ("v", "w")


def test_one_study_tells_no_pair_apart():
    one = {name: {w: times[:1] for w, times in row.items()} for name, row in ON_A.items()}
    whole = compare(logs(one), logs(ON_B, "B")).whole
    assert (whole.pairs.by_a, whole.pairs.both, whole.pairs.by_b) == (0, 0, 6)
    assert whole.pairs.as_b == 5  # the bare numbers of A can still be held against B's order
    assert np.isnan(whole.pairs.share)


def test_the_workload_that_carries_the_agreement_is_found():
    # On "v" A orders as B does, on "w" the other way round.
    right = {"a": (10, 10, 10), "b": (12, 12, 12), "c": (14, 14, 14), "d": (16, 16, 16)}
    a = {
        name: {"v": times, "w": tuple(20 - time / 2 for time in times)}
        for name, times in right.items()
    }
    b = {name: {"v": times, "w": times} for name, times in right.items()}
    found = compare(logs(a), logs(b, "B"))
    by_name = {one.workload: one for one in found.carried_by}
    assert [one.workload for one in found.carried_by] == ["v", "w"]
    assert by_name["v"].alone.tau.value == 1.0 and by_name["w"].alone.tau.value == -1.0
    # Without v the order is the reverse; the whole has tau 1 as v's ratios are wider apart.
    assert by_name["v"].gain.value == pytest.approx(2.0)
    assert by_name["w"].gain.value == pytest.approx(0.0)
    assert by_name["v"].gain.studies == (2.0, 2.0)


def test_submissions_that_reach_nothing_in_time_are_ordered_on_their_workload():
    # Beyond four times the fastest there is no credit, and still an order.
    a = {n: {"v": (t, t, t)} for n, t in {"a": 1, "b": 10, "c": 20, "d": None}.items()}
    found = compare(logs(a), logs(a, "B"))
    assert found.whole.tau.value == 1.0 and found.carried_by == ()
    side = logs(a)
    measure = side.by_clock("time", "abcd", ("v",))
    assert measure.score_S.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert measure.place_SB[:, 0] == pytest.approx([1.0, 2 / 3, 1 / 3, 0.0])


def test_all_yardsticks_are_compared():
    found = compare(logs(ON_A), logs(ON_B, "B"))
    assert [(one.a_by, one.b_by) for one in found.others] == [
        ("steps", "steps"),
        ("metric at 25%", "metric at 25%"),
        ("metric at 50%", "metric at 50%"),
        ("metric at 100%", "metric at 100%"),
        ("metric at 25%", "time"),
        ("metric at 50%", "time"),
        ("metric at 100%", "time"),
    ]
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["whole"]["a_by"] == "time"


def test_metrics_count_up_to_the_target_where_somebody_stopped_there():
    targets = logs({"a": {"v": (1,)}}).benchmark.workloads
    runs = [
        trial("early", 0, "v", 5.0, metrics=(0.1, 0.55), steps=(25, 50)),  # stopped at 50 of 100
        trial("far", 0, "v", 5.0, metrics=(0.1, 0.9)),
        trial("short", 0, "v", None),
    ]
    found = measures.by_metric(runs, ("early", "far", "short"), targets, 1.0, "metric")
    assert found.place_SB[:, 0].tolist() == [0.75, 0.75, 0.0]
    # Halfway nobody has stopped yet, so the values themselves count.
    half = measures.by_metric(runs, ("early", "far", "short"), targets, 0.5, "metric")
    assert half.place_SB[:, 0].tolist() == [1.0, 0.25, 0.25]


# --- matching -------------------------------------------------------------------------------


def test_names_are_matched_by_a_mapping_and_else_by_themselves():
    renamed = {"x": ON_B["a"], "b": ON_B["b"], "c": ON_B["c"], "a": ON_B["d"]}
    found = compare(logs(ON_A), logs(renamed, "B"), {"a": "x", "d": "a"})
    assert sorted((p.a_name, p.b_name) for p in found.points) == [
        ("a", "x"), ("b", "b"), ("c", "c"), ("d", "a"),
    ]  # fmt: skip
    assert found.whole.tau.value == pytest.approx(4 / 6)
    less = compare(logs(ON_A), logs(renamed, "B"), {"a": "x"})
    assert (less.a_only, less.b_only) == (("d",), ("a",))


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ({"aa": "a"}, "submission of A 'aa' not found; did you mean 'a'"),
        ({"a": "bb"}, "submission of B 'bb' not found; did you mean 'b'"),
        ({"a": "c", "b": "c"}, "c of B is matched twice"),
    ],
)
def test_a_mapping_that_names_what_is_not_there_is_refused(match, words):
    with pytest.raises(ValueError, match=words):
        compare(logs(ON_A), logs(ON_B, "B"), match)


def test_too_few_in_common_name_both_lists_and_the_nearest():
    other = {f"{name}_submission" * (name != "a"): row for name, row in ON_B.items()}
    other = {name or "a": row for name, row in other.items()}
    b = logs(other, "B")
    with pytest.raises(ValueError) as error:
        compare(logs({"a": ON_A["a"], "b_submissio": ON_A["b"], "q": ON_A["c"]}), b)
    said = str(error.value)
    assert "1 submissions in common, and an order takes 3" in said
    assert "A has a, b_submissio, q; B has a, b_submission, c_submission, d_submission" in said
    assert "did you mean --match=b_submissio=b_submission?" in said


def test_no_workload_in_common_is_refused():
    moved = {name: {"z": row["v"]} for name, row in ON_B.items()}
    with pytest.raises(ValueError, match="no workload in common: A has v, w; B has z"):
        compare(logs(ON_A), logs(moved, "B"))


def test_workloads_of_one_side_are_left_out_and_named():
    more = {name: {**row, "z": (1, 2, 3)} for name, row in ON_A.items()}
    found = compare(logs(more), logs(ON_B, "B"))
    assert found.a_workloads_only == ("z",) and found.workloads == ("v", "w")
    assert found.whole.tau.value == compare(logs(ON_A), logs(ON_B, "B")).whole.tau.value


def test_times_of_unlike_machines_are_refused_unless_allowed():
    side = logs(ON_A)
    mixed = tuple(
        replace(one, info={"fingerprint": {"key": str(one.study)}}) for one in side.trials
    )
    b = logs(ON_B, "B")
    with pytest.raises(ValueError, match="different hardware fingerprints"):
        compare(Side("A", side.benchmark, mixed), b)
    allowed = Side("A", side.benchmark, mixed, protocol=Protocol(allow_mixed_hardware=True))
    assert compare(allowed, b).whole.tau.value == pytest.approx(4 / 6)


def test_variants_gate_their_base_on_the_side_that_holds_them_out():
    side = logs(ON_A)
    bench = side.benchmark
    held = replace(
        bench,
        held_out_workloads=("v_tanh",),
        workloads={**bench.workloads, "v_tanh": Target("accuracy", 0.5, 100)},
    )
    gates = tuple(trial(name, 0, "v_tanh", None if name == "a" else 10.0) for name in "abcd")
    measure = replace(side, benchmark=held, trials=side.trials + gates).by_clock(
        "time", "abcd", ("v", "w")
    )
    assert measure.credit_SB[0, 0] == 0.0 and measure.credit_SB[0, 1] == 1.0
    assert measure.workloads == ("v", "w")


# --- resamples ------------------------------------------------------------------------------


def test_studies_of_the_same_runs_are_drawn_together_and_others_are_not():
    times = {
        name: {"v": tuple(np.random.default_rng(i).uniform(5, 15, 3))}
        for i, name in enumerate("abcde")
    }
    side = logs(times)
    same = compare(side, side).whole.tau
    assert same.value == 1.0 and same.studies == (1.0, 1.0)
    # The same numbers from other runs: another draw of studies is another order.
    others = tuple(trial(t.submission, t.study + 3, t.workload, t.seconds[-1]) for t in side.trials)
    apart = compare(side, Side("B", side.benchmark, others)).whole.tau
    assert apart.value == 1.0 and apart.studies[0] < 0.9


def test_a_measure_without_a_workload_keeps_the_others():
    measure = logs(ON_A).by_clock("time", "abcd", ("v", "w"))
    less = measure.without("v")
    assert less.workloads == ("w",) and less.credit_NSB.shape == (2000, 4, 1)
    np.testing.assert_array_equal(less.score_S, measure.credit_SB[:, 1])
    assert isinstance(less, Measure)


def test_boards_on_which_all_are_tied_have_no_tau():
    never = {name: {"v": (None, None), "w": (None, None)} for name in "abc"}
    found = compare(logs(never), logs(ON_B, "B"))
    assert np.isnan(found.whole.tau.value) and found.whole.tau.studies == (None, None)
    assert found.to_json()["whole"]["tau"]["value"] is None
    assert len(found.points) == fidelity.MIN_SUBMISSIONS
    assert agreement.of_workload(*[logs(never).by_clock("time", "abc", ("v",))] * 2, "v")
