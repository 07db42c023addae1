"""Intervals: what they rest on, what they leave alone, and how long they take."""

import time

import numpy as np
import pytest

import scoring
from scoring.stats.bootstrap import limits, resampled_times


@pytest.mark.parametrize("num_studies", [2, 3])
def test_the_distribution_is_that_of_drawing_studies_then_trials(num_studies):
    """Against the plain procedure: draw studies, draw trials in each, take best, take median."""
    cell = (np.array([3.0, 5.0, 8.0]), np.array([4.0, np.inf]), np.array([6.0, 7.0, 9.0, np.inf]))
    cell = cell[:num_studies]
    fast = resampled_times(cell, np.random.default_rng(0), 20_000)
    rng = np.random.default_rng(1)
    plain = []
    for _ in range(20_000):
        studies = [cell[i] for i in rng.integers(num_studies, size=num_studies)]
        plain.append(np.median([min(rng.choice(s, size=len(s))) for s in studies]))
    for value in (3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, np.inf):
        # Two shares of 20,000 draws differ by less than 0.02 but once in 10,000.
        assert np.mean(fast == value) == pytest.approx(np.mean(np.array(plain) == value), abs=0.02)


def test_equal_studies_leave_no_doubt(trial_of, benchmark_of):
    trials = [
        trial_of(name, study, "toy", 1, time)
        for name, time in (("s", 5.0), ("t", 10.0))
        for study in range(3)
    ]
    for entry in scoring.score_trials(trials, benchmark_of()).rows:
        assert (entry.low, entry.high) == (entry.score, entry.score)


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
    """One good trial in each study of 12 workloads: a resample almost never keeps all 24."""
    base = tuple("abcdefghijkl")
    trials = [
        trial_of(name, study, workload, trial, time)
        for name, times in (("s", (5.0, 100.0)), ("t", (10.0, 10.0)))
        for workload in base
        for study in range(2)
        for trial, time in enumerate(times)
    ]
    best, second = scoring.score_trials(trials, benchmark_of(base)).rows
    assert best.low < best.score == best.high == 1.0
    assert second.low == second.score < second.high


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
    cell = tuple(np.array([1.7e308]) for _ in range(3))
    assert (resampled_times(cell, np.random.default_rng(0), 10) == 1.7e308).all()


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
