"""The study of a quadratic: what is left of an error, by hand and by Chebyshev's bound."""

import numpy as np
import pytest

from studies import quadratic


def test_what_is_left_after_two_steps_is_the_product_of_both():
    # Rates 4 and 1 on eigenvalues from 1/4 to 1: (1 - 4x)(1 - x), least at x = 5/8.
    found = quadratic.left(np.array([1.0, 0.0]), 4.0, np.array([4.0]), np.array([1.0]))
    assert found == pytest.approx([9 / 16], rel=1e-3)
    # The first step alone leaves 3 of the error along the eigenvector of 1.
    assert quadratic.largest_on_the_way(np.array([1.0, 0.0]), 4.0) == pytest.approx(3.0)


@pytest.mark.parametrize(("kappa", "num_steps"), [(4.0, 5), (10.0, 10), (100.0, 20)])
def test_phi_of_twice_the_condition_number_reaches_the_bound_and_nothing_else_does(
    kappa, num_steps
):
    bound = quadratic.chebyshev(kappa, num_steps)

    def given(name):
        factors_N = quadratic.shape(name, num_steps)
        return quadratic.left(factors_N, kappa, np.array([kappa]), np.array([1.0]))[0]

    assert given(f"uba:phi={2 * kappa!r}") == pytest.approx(bound, rel=0.01)
    others = [f"uba:phi={share * kappa!r}" for share in (1, 1.8, 2.2, 4)]
    assert min(map(given, [*others, *quadratic.OTHERS])) > 1.02 * bound


def test_no_peak_and_end_beat_the_bound_and_cosine_stays_above_it():
    bound = quadratic.chebyshev(10.0, 6)
    assert quadratic.best(quadratic.shape("uba:phi=20", 6), 10.0) == pytest.approx(bound, rel=0.01)
    cosine = quadratic.best(quadratic.shape("cosine", 6), 10.0)
    # The best fixed rate is 2 / (1 + 1 / kappa), which leaves this; a schedule may be just that.
    constant = ((10 - 1) / (10 + 1)) ** 6
    assert 1.1 * bound < cosine < constant
    assert quadratic.best(quadratic.shape("constant", 6), 10.0) == pytest.approx(constant, rel=0.01)
