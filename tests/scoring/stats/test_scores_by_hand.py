"""Scores against tables worked by hand, with ties, infinities and both held-out gates."""

import numpy as np
import pytest

import scoring
from scoring.stats import profile
from scoring.stats.times import median_over_studies

INF = float("inf")
# r: a 1, 2, 1; b 1, inf, 1.5; nobody reaches c.
TIMES = {
    "x": {"a": 10.0, "b": 30.0, "c": INF},
    "y": {"a": 20.0, "b": INF, "c": INF},
    "z": {"a": 10.0, "b": 45.0, "c": INF},
}


def trials_of(trial_of, table):
    return [
        trial_of(submission, study, workload, trial=1, time=time)
        for submission, row in table.items()
        for workload, time in row.items()
        for study in (1, 2)
    ]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("exact", {"x": 2 / 3, "y": 2 / 9, "z": (1 + 2.5 / 3) / 3}),
        # Grid 1 + k/33. r = 2 is met from k = 33 on: the trapezoids of 66 whole intervals and
        # half of the one before it. r = 1.5 lies between k = 16 and 17: 82 and a half.
        ("official", {"x": 2 / 3, "y": 66.5 / 99 / 3, "z": (1 + 82.5 / 99) / 3}),
    ],
)
def test_scores(trial_of, benchmark_of, mode, expected):
    board = scoring.score_trials(
        trials_of(trial_of, TIMES), benchmark_of("abc"), scoring.Protocol(mode=mode)
    )
    assert {e.submission: e.score for e in board.rows} == pytest.approx(expected, abs=1e-12)
    assert [entry.submission for entry in board.rows] == ["x", "z", "y"]
    assert board.rows[0].ratio_to_best == {"a": 1.0, "b": 1.0, "c": INF}
    rho = {entry.submission: entry.rho for entry in board.rows}
    assert rho["y"][32:34].tolist() == [0.0, 1 / 3]
    assert rho["x"].tolist() == [2 / 3] * 100


def test_equal_scores_are_sorted_by_name(trial_of, benchmark_of):
    times = {name: {"a": 5.0} for name in ("m", "k", "l")}
    board = scoring.score_trials(trials_of(trial_of, times), benchmark_of("a"))
    assert [(e.submission, e.score) for e in board.rows] == [("k", 1), ("l", 1), ("m", 1)]


def test_scores_equal_but_for_the_order_of_their_sums_are_sorted_by_name(trial_of, benchmark_of):
    rows = {"ref": (10.0, 10.0, 10.0), "k": (11.0, 19.0, 14.0), "l": (11.0, 14.0, 19.0)}
    times = {name: dict(zip("abc", row, strict=True)) for name, row in rows.items()}
    board = scoring.score_trials(trials_of(trial_of, times), benchmark_of("abc"))
    _, second, third = board.rows
    assert (second.submission, third.submission) == ("k", "l")
    assert second.score < third.score  # in the last bit
    assert board.ranks.intervals["k"] == board.ranks.intervals["l"] == (2, 2)


def test_official_picks_the_smallest_row_and_exact_the_smallest_time(trial_of, benchmark_of):
    trials = [
        trial_of("s", 1, "toy", trial=1, time=40.0, index=2),
        trial_of("s", 1, "toy", trial=2, time=50.0, index=1),
        trial_of("s", 1, "toy", trial=10, time=60.0, index=1),
    ]

    def time(mode):
        board = scoring.score_trials(trials, benchmark_of(), scoring.Protocol(mode=mode))
        return board.rows[0].time_to_target["toy"]

    assert time("exact") == 40.0
    assert time("official") == 60.0  # sorted names: trial_10 comes before trial_2


def test_by_steps_reads_steps(trial_of, benchmark_of):
    trials = [trial_of("s", 1, "toy", trial=1, time=40.0)]
    board = scoring.score_trials(trials, benchmark_of(), scoring.Protocol(by="steps"))
    assert board.rows[0].time_to_target == board.rows[0].steps_to_target == {"toy": 400.0}
    assert board.unit == "steps"


@pytest.mark.parametrize(
    ("studies", "median"),
    [
        ([1.0, 2.0, INF], 2.0),
        ([1.0, INF, INF], INF),
        ([1.0, 3.0], 2.0),
        ([1.0, INF], INF),
        ([INF, INF], INF),
        ([], np.nan),
    ],
)
def test_infinity_takes_part_in_the_median(studies, median):
    np.testing.assert_equal(median_over_studies(dict(enumerate(studies))), median)


def test_gates_by_hand(benchmark_of):
    benchmark = benchmark_of(("w", "v"), held_out=("w_big",))
    columns = ("w", "v", "w_big")
    times = np.array(
        [
            [INF, 1.0, 1.0],  # misses w: its w_big may not gate the others at 4x
            [10.0, 4.0, 100.0],  # 4x of the fastest is still in
            [20.0, 4.1, 401.0],  # v beyond 4x; w_big beyond 4x takes w with it
            [30.0, 2.0, np.nan],  # no data on w_big takes w as well
        ]
    )
    gated, base = profile.gate(times, columns, benchmark)
    assert base == ("w", "v")
    assert gated.tolist() == [[INF, 1.0], [10.0, 4.0], [INF, INF], [INF, 2.0]]
    assert times[2, 2] == 401.0  # the caller's array is left alone


def test_a_variant_belongs_to_the_longest_base_name(benchmark_of):
    benchmark = benchmark_of(("mnist", "mnist_conv"))
    assert benchmark.base_of("mnist_conv_gelu") == "mnist_conv"
    assert benchmark.base_of("mnist_gelu") == "mnist"


def test_ratios_settle_infinity_over_infinity_and_zero_over_zero():
    ratios = profile.ratios(np.array([[INF, 0.0, 2.0], [INF, 0.0, 2.0], [INF, 3.0, 1e-320]]))
    assert ratios[:, 0].tolist() == [INF, INF, INF]
    assert ratios[:, 1].tolist() == [1.0, 1.0, INF]
    assert ratios[2, 2] == 1.0 and not np.isnan(ratios).any()
    assert profile.exact_score(ratios).max() <= 1.0


def test_missing_workloads_count_unless_left_out(trial_of, benchmark_of):
    trials = trials_of(trial_of, {"x": {"a": 1.0}, "y": {"a": 2.0}})
    benchmark = benchmark_of("ab", held_out=("b_variant",))
    counted = scoring.score_trials(trials, benchmark)
    left_out = scoring.score_trials(trials, benchmark, scoring.Protocol(only_present=True))
    assert counted.missing_workloads == left_out.missing_workloads == ("b", "b_variant")
    assert [entry.score for entry in counted.rows] == pytest.approx([1 / 2, 1 / 3])
    assert [entry.score for entry in left_out.rows] == pytest.approx([1, 2 / 3])
    assert left_out.workloads == ("a",)


def test_invalid_never_counts_and_a_crash_after_the_target_does(trial_of, benchmark_of):
    trials = [
        trial_of("s", 1, "toy", trial=1, time=4.0, info={"status": "invalid"}),
        trial_of("s", 1, "toy", trial=2, time=9.0, info={"status": "crashed"}),
        trial_of("s", 1, "toy", trial=3, time=None, info={"status": "diverged"}),
        trial_of("s", 1, "toy", trial=4, time=12.0),
        # Its own target was another one; this benchmark's is met.
        trial_of("s", 1, "toy", trial=5, time=13.0, info={"status": "not_reached"}),
    ]
    trials[0].metric[2] = 0.99  # an invalid trial's metric proves nothing either
    (entry,) = scoring.score_trials(trials, benchmark_of()).rows
    assert entry.time_to_target == {"toy": 9.0} and entry.best == {"toy": 0.9}
    assert entry.statuses == {"toy": {"invalid": 1, "crashed": 1, "diverged": 1, "reached": 2}}


@pytest.mark.parametrize("clock", ["", "nan", "inf", "-1"])
@pytest.mark.parametrize("mode", ["exact", "official"])
def test_a_target_met_at_an_unknown_time_is_not_reached(tree, clock, mode):
    tree.trial("s/study_0/toy_jax/trial_0", times=(1.0, clock, 3.0), metrics=(0.1, 0.9, 0.9))
    (entry,) = tree.score(mode=mode).rows
    assert entry.time_to_target == {"toy": INF} and entry.score == 0.0


def test_a_trial_without_a_log_counts_except_in_official_mode(tree):
    tree.trial("s/study_0/toy_jax/trial_0", times=(1.0, 2.0))
    tree.trial("s/study_1/toy_jax/trial_0", csv=False)

    def time(mode):
        return tree.score(mode=mode).rows[0].time_to_target["toy"]

    assert (time("exact"), time("official")) == (INF, 2.0)
    # Our harness proves with trial.json that the trial ran: then AlgoPerf's leniency ends.
    tree.trial("s/study_2/toy_jax/trial_0", csv=False, info={"status": "crashed"})
    assert time("official") == INF


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_meeting_the_target_exactly_is_meeting_it(benchmark_of, metric):
    target = benchmark_of(metric=metric).workloads["toy"]
    assert target.met(np.array([0.4, 0.5, 0.6])).tolist() == [
        metric == "loss",
        True,
        metric == "accuracy",
    ]
