"""Rank correlations with ties: against scipy, by hand, and where they do not exist."""

import numpy as np
import pytest
from scipy import stats

from scoring.stats.correlation import beaten, kendall, spearman


@pytest.mark.parametrize("levels", [2, 4, 1000])  # few levels make many ties
def test_both_agree_with_scipy(levels):
    rng = np.random.default_rng(levels)
    for size in (2, 3, 5, 12):
        x_NS, y_NS = rng.integers(levels, size=(2, 50, size)) / levels
        tau_N, rho_N = kendall(x_NS, y_NS), spearman(x_NS, y_NS)
        for x, y, tau, rho in zip(x_NS, y_NS, tau_N, rho_N, strict=True):
            if len(set(x)) > 1 and len(set(y)) > 1:
                assert tau == pytest.approx(stats.kendalltau(x, y).statistic)
                assert rho == pytest.approx(stats.spearmanr(x, y).statistic)
            else:
                assert np.isnan(tau) and np.isnan(rho)


def test_tau_by_hand():
    # Of six pairs one is tied on the left; of the other five four agree: (4 - 1) / sqrt(5 * 6).
    assert kendall(np.array([1.0, 2.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0, 2.5])) == (
        pytest.approx(3 / np.sqrt(30))
    )


def test_one_side_may_be_fixed_while_the_other_is_resampled():
    fixed, many = np.array([1.0, 2.0, 3.0]), np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    assert kendall(fixed, many).tolist() == [1.0, -1.0]
    assert spearman(many, fixed) == pytest.approx([1.0, -1.0])


def test_differences_in_the_last_bits_are_ties():
    assert np.isnan(kendall(np.array([0.1 + 0.2, 0.3]), np.array([1.0, 2.0])))


def test_the_share_of_others_that_is_beaten():
    assert beaten(np.array([3.0, 1.0, 3.0])).tolist() == [0.75, 0.0, 0.75]
    assert beaten(np.array([-np.inf, 1.0, -np.inf])).tolist() == [0.25, 1.0, 0.25]
    assert beaten(np.array([7.0])).tolist() == [0.5]
