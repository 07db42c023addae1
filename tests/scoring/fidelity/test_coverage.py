"""Intervals of tau hold the truth as often as they say, by simulation of whole boards."""

import numpy as np
import pytest

from scoring.benchmark import Benchmark
from scoring.stats import agreement, measures, profile
from scoring.stats.correlation import kendall
from scoring.stats.measures import Measure

SUBMISSIONS = tuple(f"s{i}" for i in range(8))
WORKLOADS = tuple(f"w{i}" for i in range(8))
GOAL = Benchmark("simulated", WORKLOADS, (), {}, {})


def scores(log_SB):
    return profile.exact_score(profile.ratios(np.exp(log_SB)))


def board(rng, log_SB, num_studies, noise):
    """A measure from log times with noise of each study."""
    times = np.exp(log_SB + rng.normal(0, noise, (num_studies, *log_SB.shape)))
    cells = {
        (s, w): dict(enumerate(times[:, i, j].tolist()))
        for i, s in enumerate(SUBMISSIONS)
        for j, w in enumerate(WORKLOADS)
    }
    return measures.by_cost("time", cells, SUBMISSIONS, WORKLOADS, GOAL)


@pytest.mark.slow
@pytest.mark.parametrize(("num_a", "num_b", "noise"), [(3, 5, 0.1), (5, 5, 0.2)])
def test_the_interval_over_studies_holds_tau_of_the_true_scores(num_a, num_b, noise):
    rng, held, total = np.random.default_rng(0), 0, 60
    for _ in range(total):
        common_S1 = rng.normal(0, 0.3, (8, 1))  # what a submission is like on both boards
        a_SB, b_SB = (common_S1 + rng.normal(0, 0.3, (8, 8)) for _ in range(2))
        true = kendall(scores(a_SB), scores(b_SB))
        a = board(rng, a_SB, num_a, noise)
        b = board(rng, b_SB, num_b, noise).shuffled(1)
        low, high = agreement.of_scores(a, b).tau.studies
        held += low <= true <= high
    # 95% of 60 are 57; fewer than 51 would come once in a thousand times.
    assert held >= 51


def test_the_interval_over_workloads_holds_tau_over_all_workloads():
    rng, held, total = np.random.default_rng(0), 0, 80
    no_places, cannot = np.zeros((8, 8)), np.zeros(8, bool)
    for _ in range(total):
        # Of a thousand workloads a board has eight. What submissions are like differs from one
        # board to the other by their means, and by half of what is special about a workload.
        mean_S1, common_SW = rng.uniform(0.2, 0.8, (8, 1)), rng.normal(0, 0.07, (8, 1000))
        a_SW, b_SW = (
            mean_S1 + rng.normal(0, 0.15, (8, 1)) + common_SW + rng.normal(0, 0.12, (8, 1000))
            for _ in range(2)
        )
        true = kendall(a_SW.mean(axis=1), b_SW.mean(axis=1))
        drawn = rng.choice(1000, 8, replace=False)
        names = tuple(map(str, drawn))
        a, b = (
            Measure("time", SUBMISSIONS, names, x_SW[:, drawn], None, no_places, None, cannot)
            for x_SW in (a_SW, b_SW)
        )
        low, high = agreement.of_scores(a, b).tau.workloads
        held += low <= true <= high
    # 95% of 80 are 76; fewer than 67 would come once in a thousand times.
    assert held >= 67
