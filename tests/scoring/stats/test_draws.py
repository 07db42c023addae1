"""Intervals: what they rest on, what they leave alone, and how long they take."""

import time

import numpy as np
import pytest
from scipy import stats

import scoring
from scoring.stats import draws
from scoring.stats.draws import draw, limits
from studies import intervals

NAMES = tuple("abcdefgh")


def board(times_SWI):
    """Cells of a board, the names of its rows, and those of its columns."""
    rows, columns = NAMES[: len(times_SWI)], NAMES[: len(times_SWI[0])]
    cells = {
        (row, column): dict(enumerate(times_SWI[s][w]))
        for s, row in enumerate(rows)
        for w, column in enumerate(columns)
    }
    return cells, rows, columns


def test_two_studies_of_equal_cells_give_students_interval():
    """Four cells with the same spread s: the mean of two, with a variance of four degrees."""
    spread, num = 0.1, 100_000
    log_SWI = np.array([[[-1, 1], [1, -1]], [[1, -1], [-1, 1]]]) * spread / np.sqrt(2)
    drawn = draw(*board(np.exp(log_SWI)), num=num)
    assert drawn.estimate_SW == pytest.approx(np.full((2, 2), np.cosh(spread / np.sqrt(2))))
    shift_N = np.log(drawn.drawn_NSW[:, 0, 0] / drawn.estimate_SW[0, 0])
    for level in (0.025, 0.25, 0.5, 0.9, 0.975):
        expected = stats.t.ppf(level, 4) * spread / np.sqrt(2)
        assert np.quantile(shift_N, level) == pytest.approx(expected, abs=0.04 * spread)


def test_noise_of_cells_that_differ_stays_their_own():
    rng = np.random.default_rng(0)
    noise_SW = np.array([[0.01] * 8, [0.2] * 8])
    times = np.exp(noise_SW[..., None] * rng.standard_normal((2, 8, 5)))
    spread_SW = np.log(draw(*board(times)).drawn_NSW).std(axis=0)
    assert spread_SW[0].max() < 0.03 and spread_SW[1].min() > 0.05
    alike = np.exp(0.1 * rng.standard_normal((2, 8, 5)))  # where they do not, cells are pooled
    spread_SW = np.log(draw(*board(alike)).drawn_NSW).std(axis=0)
    assert np.log(spread_SW).std() < 0.8 * np.log(np.log(alike).std(axis=-1)).std()


@pytest.mark.parametrize(("correlation", "low", "high"), [(0.0, 0.95, 1.05), (0.9, 0.2, 0.7)])
def test_what_studies_have_in_common_leaves_differences_alone(correlation, low, high):
    rng = np.random.default_rng(1)
    shared = rng.standard_normal((1, 8, 6))
    noise = (
        np.sqrt(1 - correlation) * rng.standard_normal((3, 8, 6)) + np.sqrt(correlation) * shared
    )
    log_NSW = np.log(draw(*board(np.exp(0.1 * noise))).drawn_NSW)
    alone = np.sqrt(2) * log_NSW.std(axis=0).mean()
    assert low < (log_NSW[:, 0] - log_NSW[:, 1]).std(axis=0).mean() / alone < high


def test_a_cell_that_is_reached_now_and_then_is_so_in_draws():
    never, always = [np.inf] * 4, [10.0, 11.0, 10.5, 9.8]
    now_and_then = [10.0, np.inf, 11.0, np.inf]
    cells = board([[never, always, now_and_then, always], [always, never, always, always]])
    share_SW = np.isfinite(draw(*cells).drawn_NSW).mean(axis=0)
    assert share_SW[0, 0] < 0.02 and share_SW[1, 1] < 0.02
    assert share_SW[0, 1] > 0.98 and 0.3 < share_SW[0, 2] < 0.7
    # What is known of one cell bears on others: chances of less than 1 are met on this board only.
    sure = draw(*board([[always, never], [always, always]])).drawn_NSW
    assert np.isfinite(sure).mean(axis=0).tolist() == [[1.0, 0.0], [1.0, 1.0]]


def test_the_bias_of_a_least_time_is_taken_away():
    """The fastest of eight equal submissions looks faster than it is, more so in the draws."""
    rng = np.random.default_rng(2)

    def fastest(times_SW):
        return np.log(times_SW.min(axis=-2)).mean(axis=-1)

    estimated, drawn, freed = [], [], []
    for seed in range(40):
        found = draw(*board(np.exp(0.1 * rng.standard_normal((8, 6, 3)))), num=200, seed=seed)
        estimated.append(fastest(found.estimate_SW))
        drawn.append(fastest(found.drawn_NSW).mean())
        freed.append(found.of(fastest).mean())
    assert np.mean(drawn) < 1.2 * np.mean(estimated) < -0.05
    assert abs(np.mean(freed)) < 0.65 * abs(np.mean(estimated))


def test_costs_that_are_no_times_are_drawn_as_they_are_by_workload():
    """Of one workload the metric is a percentage, of the other a share."""
    costs = np.array([[[-70.0, -72.0, -71.0], [-0.70, -0.72, -0.71]]] * 2)
    drawn = draw(*board(costs), is_logarithmic=False)
    np.testing.assert_allclose(drawn.estimate_SW, [[-71.0, -0.71]] * 2)
    spread_SW = drawn.drawn_NSW.std(axis=0)
    np.testing.assert_allclose(spread_SW[:, 0] / spread_SW[:, 1], 100, rtol=0.1)
    capped = np.array([[[-0.9, -0.9], [-0.5, -0.6]]] * 2)
    assert (draw(*board(capped), is_logarithmic=False).drawn_NSW[..., 0] == -0.9).all()


def test_a_cell_is_drawn_alike_beside_others():
    """`fidelity` compares boards that have runs in common."""
    rng = np.random.default_rng(3)
    cells, rows, columns = board(np.exp(0.1 * rng.standard_normal((4, 5, 3))))
    whole = draw(cells, rows, columns).drawn_NSW
    part = draw({k: v for k, v in cells.items() if k[0] in rows[:3]}, rows[:3], columns).drawn_NSW
    one, other = (np.log(drawn[:, 0, 0]) for drawn in (whole, part))
    assert np.corrcoef(one, other)[0, 1] > 0.9


@pytest.mark.parametrize(
    "setting",
    [
        intervals.Setting("two", 2),
        intervals.Setting("three, paired", 3, is_paired=True),
        intervals.Setting("five, uncertain", 5, uncertain=0.05),
    ],
)
def test_intervals_hold_the_truth_as_often_as_they_say(setting):
    """A small version of `studies.intervals`."""
    rng = np.random.default_rng(0)
    boards = [intervals.held(setting, rng) for _ in range(25)]
    share = {name: np.mean([board[name] for board in boards]) for name in intervals.COLUMNS}
    # Scores of one board have noise in common, so 150 of them say as much as some 60 would.
    assert share["score"] > 0.87 and share["difference"] > 0.87 and share["place"] > 0.9
    assert share["equal pair told apart"] <= 0.2
    assert share["others told apart"] > 0.6


def test_equal_studies_leave_no_doubt(trial_of, benchmark_of):
    trials = [
        trial_of(name, study, "toy", 1, time)
        for name, time in (("s", 5.0), ("t", 10.0))
        for study in range(3)
    ]
    for entry in scoring.score_trials(trials, benchmark_of()).rows:
        assert (entry.low, entry.high) == pytest.approx((entry.score, entry.score))


def test_unequal_studies_give_a_reproducible_interval(trial_of, benchmark_of):
    times = {"s": (5.0, 6.0, 9.0), "t": (6.0, 7.0, 30.0)}
    trials = [
        trial_of(name, study, "toy", 1, time)
        for name, row in times.items()
        for study, time in enumerate(row)
    ]
    first, second = (scoring.score_trials(trials, benchmark_of()).rows for _ in range(2))
    assert [(e.low, e.high) for e in first] == [(e.low, e.high) for e in second]
    assert all(e.low < e.score <= e.high for e in first)


def test_the_interval_holds_the_score_itself(trial_of, benchmark_of):
    """Who is fastest by far everywhere has the score 1 in all draws, and nothing above."""
    base = tuple("abcdefghijkl")
    trials = [
        trial_of(name, study, workload, trial, time)
        for name, times in (("s", (5.0, 100.0)), ("t", (10.0, 10.0)))
        for workload in base
        for study in range(2)
        for trial, time in enumerate(times)
    ]
    best, second = scoring.score_trials(trials, benchmark_of(base)).rows
    assert best.low <= best.score == best.high == 1.0
    assert second.low <= second.score <= second.high


def test_one_study_cannot_tell(trial_of, benchmark_of):
    trials = [trial_of("s", 0, "toy", trial, 5.0 + trial) for trial in range(5)]
    trials += [trial_of("t", study, "toy", 0, 6.0 + study) for study in range(3)]
    entries = {e.submission: e for e in scoring.score_trials(trials, benchmark_of()).rows}
    assert (entries["s"].low, entries["s"].high, entries["s"].num_studies) == (None, None, 1)
    assert entries["t"].low is not None and entries["t"].num_studies == 3


def test_numbers_that_mostly_do_not_exist_have_no_interval():
    values = np.linspace(1.0, 2.0, 1000)
    assert limits(values, 1.5) == pytest.approx((1.025, 1.975))
    assert limits(values, 5.0) == pytest.approx((1.025, 5.0))  # it holds its own number
    values[:20] = np.nan
    assert limits(values, 1.5)[0] > 1.025
    values[:30] = np.nan
    assert limits(values, 1.5) == (None, None)


def test_huge_times_do_not_overflow():
    drawn = draw(*board([[[1.7e308] * 3], [[1e-308] * 3]]))
    np.testing.assert_allclose(drawn.drawn_NSW - drawn.estimate_SW, 0, atol=1e300)
    np.testing.assert_allclose(drawn.drawn_NSW[:, 1], 1e-308)


def test_no_time_at_all_stays_none():
    drawn = draw(*board([[[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]]))
    assert (drawn.drawn_NSW[:, 0, 0] == 0).all() and drawn.drawn_NSW[:, 0, 1].std() > 0.1


def test_one_study_of_each_cell_draws_nothing():
    assert draws.draw(*board([[[1.0]], [[2.0]]])) is None


@pytest.mark.parametrize("mode", ["exact", "official"])
def test_a_board_of_full_size_takes_seconds(trial_of, benchmark_of, mode):
    """All that has an interval: scores, speedups, field-free scores, ranks."""
    base = tuple(f"w{i}" for i in range(8))
    held_out = tuple(f"w{i}_variant" for i in range(6))
    rng = np.random.default_rng(0)
    trials = [
        trial_of(f"s{s}", study, workload, trial, rng.uniform(1, 4))
        for s in range(11)
        for workload in base + held_out
        for study in range(5)
        for trial in range(5)
    ]
    protocol = scoring.Protocol(mode=mode, reference="s0")
    start = time.process_time()
    board = scoring.score_trials(trials, benchmark_of(base, held_out), protocol)
    assert time.process_time() - start < 3.0
    assert all(entry.low <= entry.score <= entry.high for entry in board.rows)
    assert all(row.low <= row.mean <= row.high for row in board.speedups.submissions.values())
    assert all(
        row.low <= row.score <= row.high for row in board.reference_scores.submissions.values()
    )
    assert len(board.ranks.intervals) == 11
