"""Simulated decisions are wrong as seldom as they say; those of who just looks are not."""

import numpy as np
import pytest

from scoring.stats import sequential
from scoring.stats.sequential import ALIKE
from studies import deciding

NUM = 120


@pytest.fixture(scope="module")
def found():
    """120 experiments of each of two kinds: (by their levels, by plain intervals), by label."""
    levels = sequential.levels_of(15, 3)
    plain = dict.fromkeys(levels, sequential.ERROR)
    return {
        kind.label: [
            [deciding.told(kind, np.random.default_rng([7, i]), way) for i in range(NUM)]
            for way in (levels, plain)
        ]
        for kind in deciding._kinds(15)
        if kind.label in ("all equal", "25% faster")
    }


def test_equal_submissions_are_told_apart_seldom(found):
    spending, looking = ([one.is_wrong for one in some] for some in found["all equal"])
    # Three standard errors above 5%; who looks at plain intervals is wrong in one case of four.
    assert np.mean(spending) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / NUM)
    assert np.mean(looking) > 0.15


def test_what_differs_is_found_and_what_is_equal_takes_longer(found):
    told = found["25% faster"][0]
    assert np.mean([one.num_told for one in told]) > 1.9
    assert np.mean([one.equal == ALIKE for one in told]) > 0.8
    assert np.mean([one.is_wrong for one in told]) <= 0.1
    # Of 45: the third submission is soon done, and the others before the maximum.
    assert 9 < np.mean([sum(one.num_studies) for one in told]) < 36
