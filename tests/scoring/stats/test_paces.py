"""Slow trials: a host that was busy is found, a quiet one never."""

import numpy as np
import pytest

from scoring.logs.read import Trial
from scoring.stats import paces


def trial(seconds_of_steps, submission="a", number=1, key="k", timing="measured", every=100):
    """A trial with one evaluation every so many steps; seconds of a step in each period."""
    steps = every * np.arange(len(seconds_of_steps) + 1.0)
    seconds = np.concatenate([[0.3], 0.3 + np.cumsum(every * np.asarray(seconds_of_steps))])
    info = {"timing": timing, "fingerprint": {"key": key}}
    place = f"{submission}/study_{number}/digits_jax/trial_1"
    unknown = np.zeros(len(steps))
    return Trial(
        submission, number, "digits", "jax", 1, place, steps, seconds, seconds, unknown, info
    )


def found(trials, **more):
    return {(one.submission, one.study): ratio for one, ratio in paces.slow(trials, **more)}


def quiet(random, count, periods=40):
    """Steps of a quiet machine: trials differ by 3%, periods by 10%, and a few are longer."""
    level = random.normal(0, 0.03, (count, 1))
    noise = random.normal(0, 0.1, (count, periods)) + (random.random((count, periods)) < 0.02)
    return 2e-3 * np.exp(level + noise)


def test_a_quiet_machine_is_never_suspected():
    random = np.random.default_rng(0)
    for size in (2, 3, 5, 15):
        rows = quiet(random, 200)
        for start in range(0, 200, size):
            group = rows[start : start + size]
            assert found([trial(row, number=i) for i, row in enumerate(group)]) == {}


@pytest.mark.parametrize("size", [2, 3, 5, 15])
@pytest.mark.parametrize("part", [1.0, 0.6])
def test_a_busy_host_is_found(size, part):
    random = np.random.default_rng(1)
    for _ in range(50):
        rows = quiet(random, size)
        slow = int(random.integers(size))
        rows[slow, : round(part * rows.shape[1])] *= 2.0
        assert set(found([trial(row, number=i) for i, row in enumerate(rows)])) == {("a", slow)}


def test_a_pause_that_makes_the_time_longer_counts_though_most_steps_were_quick():
    rows = np.full((3, 40), 1.0)
    rows[1, 5] = 30.0
    assert found([trial(row, number=i) for i, row in enumerate(rows)]) == {
        ("a", 1): pytest.approx(69 / 40)
    }


def test_other_machines_submissions_and_replayed_times_are_no_twins():
    quick, slow = [1.0] * 5, [9.0] * 5
    assert found([trial(quick), trial(slow, "b", 2)]) == {}
    assert found([trial(quick), trial(slow, key="other", number=2)]) == {}
    assert found([trial(quick), trial(slow, timing="replayed", number=2)]) == {}
    assert found([trial(quick), trial([], number=2), trial([np.nan] * 3, number=3)]) == {}


def test_a_calibration_tells_where_all_trials_were_slow():
    both = [trial([2.0] * 5, number=i) for i in (0, 1)]
    assert found(both) == {}
    assert found(both, calibrated={("a", "digits"): 1.0}) == {("a", 0): 2.0, ("a", 1): 2.0}
    # Beside others a trial is somewhat slower than alone.
    assert found(both, calibrated={("a", "digits"): 1.5}) == {}


def test_trials_of_less_than_a_second_are_not_judged():
    both = [trial([0.001] * 5, number=0), trial([0.0019] * 5, number=1)]
    assert found(both) == {}
    assert found([trial([0.01] * 5, number=0), trial([0.019] * 5, number=1)]) != {}


def test_a_leaderboard_says_so():
    trials = [trial([1.0] * 5, number=0), trial([2.0] * 5, number=1)]
    [one] = paces.anomalies(trials)
    assert (one.kind, one.path) == ("slow_trial", "a/study_1/digits_jax/trial_1")
    assert one.detail == "its steps took 2.0 times as long as those of its twins"
