"""Racing changes no number that is computed from times or steps to target."""

import numpy as np
import pytest

from algoperf_lite.trial.racing import Best
from scoring.benchmark import Benchmark, Target
from scoring.leaderboard import score_trials
from scoring.logs.format import OUTRUN
from scoring.logs.read import Trial
from scoring.protocol import Protocol
from scoring.stats import measures, times
from studies import raced_logs

NUM_BOARDS = 1000
FEW = 25  # boards whose every number is compared here; of all of them in the slow test
WORKLOADS = ("a", "b", "b_variant")
# What counts evaluations, and what trials were like beyond the best of their study.
OF_TRIALS = {"best", "statuses", "oddities", "at_budget"}


def a_board(rng):
    """Complete trials of a random board, and its benchmark."""
    hint = int(rng.integers(8, 40))
    grid = np.unique(np.round(np.linspace(1, 1.5 * hint, int(rng.integers(3, 30))))).astype(float)
    targets = {
        name: Target("accuracy", 0.5, hint) if rng.random() < 0.5 else Target("loss", -0.5, hint)
        for name in WORKLOADS
    }
    num_studies, num_trials = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    trials = [
        a_trial(rng, f"s{s}", study, workload, trial, grid, targets[workload])
        for s in range(int(rng.integers(1, 5)))
        for workload in WORKLOADS[: int(rng.integers(1, 4))]
        for study in range(num_studies)
        for trial in range(1, num_trials + 1)
    ]
    benchmark = Benchmark("random", ("a", "b"), ("b_variant",), targets, {})
    return [trials[i] for i in rng.permutation(len(trials))], benchmark


def a_trial(rng, submission, study, workload, trial, grid, target):
    """A trial that ran until its target or its budget, or failed in one of many ways."""
    # Steps of one submission take about as long, on a machine that is not always as fast; rounded,
    # so that there are ties.
    seconds = np.cumsum(np.diff(grid, prepend=0.0) * rng.uniform(0.7, 1.3, grid.size))
    seconds = np.round(seconds * rng.uniform(0.5, 2.0), int(rng.integers(0, 3)))
    progress = grid / grid[-1] * rng.uniform(0.3, 3.0) + rng.normal(0.0, 0.2, grid.size)
    metric = -progress if target.lower_is_better else progress
    metric = np.where(rng.random(grid.size) < 0.03, np.nan, metric)
    met = np.flatnonzero(target.met(metric))
    end, status = grid.size, "not_reached"
    if met.size:
        end, status = int(met[0]) + 1, "reached"
    if rng.random() < 0.1:
        end, status = int(rng.integers(1, grid.size + 1)), str(rng.choice(("diverged", "crashed")))
    if rng.random() < 0.1:
        status = "invalid"  # whatever its rows say, it outruns nobody
    return Trial(
        *(submission, study, workload, "jax", trial),
        f"{submission}/study_{study}/{workload}_jax/trial_{trial}",
        *(grid[:end], seconds[:end], seconds[:end], metric[:end]),
        info={"status": status},
    )


def numbers(trials, benchmark, protocol):
    """All that a leaderboard says, but for what it says of trials that do not count."""
    content = score_trials(trials, benchmark, protocol).to_json()
    return {name: value for name, value in content.items() if name not in OF_TRIALS}


def compared(trials, benchmark):
    """What every number of a leaderboard is computed from: times and steps of each study."""
    return {
        (mode, by): times.cells(trials, benchmark.workloads, mode, by)
        for mode in ("exact", "official")
        for by in ("time", "steps")
    }


@pytest.fixture(scope="module")
def boards():
    """Random boards: their complete trials, their raced ones, and their benchmark."""
    rng, found = np.random.default_rng(20), []
    for _ in range(NUM_BOARDS):
        trials, benchmark = a_board(rng)
        raced = raced_logs.race(trials, benchmark.workloads, int(rng.integers(1, 9)))
        found.append((trials, raced, benchmark))
    return found


def test_races_stop_trials_and_lose_no_row_before_that(boards):
    outrun = 0
    for trials, raced, _ in boards:
        for whole, cut in zip(trials, raced.trials, strict=True):
            kept = cut.steps.size
            assert np.array_equal(whole.metric[:kept], cut.metric, equal_nan=True)
            assert (kept < whole.steps.size) == (cut.status == OUTRUN) or cut.status == "invalid"
            outrun += cut.status == OUTRUN
        assert raced.clock <= raced.complete_clock and raced.steps <= raced.complete_steps
    assert outrun > 1000


def test_studies_are_the_same_to_the_last_digit(boards):
    for trials, raced, benchmark in boards:
        assert compared(raced.trials, benchmark) == compared(trials, benchmark)


@pytest.mark.parametrize("mode", ["exact", "official"])
@pytest.mark.parametrize("by", ["time", "steps"])
def test_leaderboards_are_the_same_to_the_last_digit(boards, mode, by):
    protocol = Protocol(mode=mode, by=by, reference="s0", against="s0")
    for trials, raced, benchmark in boards[:FEW]:
        assert numbers(raced.trials, benchmark, protocol) == numbers(trials, benchmark, protocol)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["time", "steps"])
def test_all_leaderboards_are_the_same_to_the_last_digit(boards, by):
    for trials, raced, benchmark in boards:
        protocol = Protocol(by=by, reference="s0")
        assert numbers(raced.trials, benchmark, protocol) == numbers(trials, benchmark, protocol)


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_metrics_at_a_budget_are_the_same_where_they_count_up_to_the_target(boards, share):
    for trials, raced, benchmark in boards[:FEW]:
        targets = {name: benchmark.workloads[name] for name in ("a", "b")}
        names = sorted({trial.submission for trial in trials})
        found, known = (
            measures.by_metric(some, names, targets, share, "metric")
            for some in (raced.trials, trials)
        )
        assert np.array_equal(found.place_SB, known.place_SB, equal_nan=True)


@pytest.mark.parametrize("rule", ["in seconds alone", "at the step of the best"])
def test_a_bolder_rule_would_change_results(boards, monkeypatch, rule):
    """Steps to target in the one case, ties in AlgoPerf's mode in the other."""

    def outruns(best, seconds, steps):
        is_slower = seconds >= best.seconds
        return is_slower if rule == "in seconds alone" else is_slower and steps >= best.steps

    monkeypatch.setattr(Best, "outruns", outruns)
    changed = 0
    for trials, _, goal in boards[:300]:
        cut = raced_logs.race(trials, goal.workloads).trials
        changed += compared(cut, goal) != compared(trials, goal)
    assert changed > 3
