"""A power of the second moment: Adam at 1/2, momentum at 0, and between them by hand."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from trajectories import check_vmapped, params_after, random_trees

from algoperf_lite.optimizers.padam import scale_by_power


@pytest.mark.parametrize("nesterov", [False, True])
def test_with_a_power_of_one_half_it_is_adam(nesterov):
    params, *grads = random_trees(6)
    found = params_after(scale_by_power(0.8, 0.9, nesterov=nesterov), params, grads)
    expected = params_after(optax.scale_by_adam(0.8, 0.9, nesterov=nesterov), params, grads)
    for name in params:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)


def test_with_a_power_of_zero_it_is_momentum():
    transformation = scale_by_power(0.5, 0.9, power=0.0)
    state = transformation.init(jnp.zeros(1))
    _, state = transformation.update(jnp.array([1.0]), state)
    found, _ = transformation.update(jnp.array([4.0]), state)
    np.testing.assert_allclose(found, (0.5 * 0.5 + 0.5 * 4) / 0.75, rtol=1e-6)


def test_the_first_step_by_hand():
    # Both moments are corrected to g = 16 and g^2 = 256: 16 / 256^(1/4) = 4.
    transformation = scale_by_power(0.9, 0.99, power=0.25)
    found, _ = transformation.update(jnp.array([16.0]), transformation.init(jnp.zeros(1)))
    np.testing.assert_allclose(found, [4.0], rtol=1e-5)


def test_many_powers_are_one_program():
    check_vmapped(
        lambda power, b1: optax.chain(scale_by_power(b1, power=power), optax.scale(-0.01)),
        [{"power": 0.5, "b1": 0.9}, {"power": 0.25, "b1": 0.8}],
    )
