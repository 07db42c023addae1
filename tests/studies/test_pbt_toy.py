"""The toy: a population finds what neither of its members could."""

import numpy as np
import pytest

from studies import pbt_toy

PBT, EXPLORE_ONLY, EXPLOIT_ONLY, FIXED = pbt_toy.WAYS


def ends(way):
    """Best Q at the end, by seed."""
    return [pbt_toy.best_so_far(pbt_toy.trajectories(way, seed))[-1] for seed in range(20)]


def test_a_population_reaches_the_optimum_where_fixed_hyperparameters_cannot():
    assert min(ends(PBT)) > 1.199
    # One parameter stays at 0.9, whatever becomes of the other: 1.2 - 0.81.
    assert max(ends(FIXED)) <= 0.39 == pytest.approx(1.2 - 0.9**2)
    assert min(ends(EXPLORE_ONLY)) > 0.39 and min(ends(EXPLOIT_ONLY)) > 0.39


def test_a_population_is_there_before_its_halves():
    def median(way):
        seeds = range(20)
        found = [pbt_toy.best_so_far(pbt_toy.trajectories(way, seed)) for seed in seeds]
        return np.median([pbt_toy.steps_to(pbt_toy.NEAR, best_R) for best_R in found])

    assert median(PBT) < min(median(EXPLORE_ONLY), median(EXPLOIT_ONLY)) < median(FIXED) == np.inf
