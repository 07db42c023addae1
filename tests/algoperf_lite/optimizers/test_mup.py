"""Learning rates per leaf: the same as groups with their own rates, weight decay untouched."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import workloads
from algoperf_lite.optimizers.mup import mup

MULTIPLIERS = {"embed": 1.0, "hidden": 0.25}
DECAY = 0.1


def params_and_gradients():
    random = np.random.default_rng(0)

    def draw():
        return {name: jnp.asarray(random.normal(size=5), jnp.float32) for name in MULTIPLIERS}

    return draw(), [draw() for _ in range(4)]


@functools.partial(jax.jit, static_argnums=0)
def trained(optimizer, learning_rate):
    params, gradients = params_and_gradients()
    tx = optimizer(learning_rate)
    state = tx.init(params)
    for gradient in gradients:
        updates, state = tx.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params


def wrapped(learning_rate):
    return mup(optax.adamw(learning_rate, weight_decay=DECAY), MULTIPLIERS)


def grouped(learning_rate):
    """Adam with a learning rate per leaf, and a decay that makes up for it."""
    groups = {
        name: optax.adamw(learning_rate * factor, weight_decay=DECAY / factor)
        for name, factor in MULTIPLIERS.items()
    }
    return optax.multi_transform(groups, {name: name for name in MULTIPLIERS})


@pytest.mark.parametrize("averaged", [False, True])
def test_it_is_adamw_with_a_rate_per_leaf_and_one_decay(averaged):
    def around(optimizer):
        if not averaged:
            return optimizer
        return lambda rate: optax.contrib.schedule_free(optimizer(rate), rate)

    found, expected = (trained(around(tx), 0.1) for tx in (wrapped, grouped))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), found, expected)
    plain = trained(around(lambda rate: optax.adamw(rate, weight_decay=DECAY)), 0.1)
    np.testing.assert_allclose(found["embed"], plain["embed"], rtol=1e-6)
    assert not np.allclose(found["hidden"], plain["hidden"], rtol=0.01)


def test_weight_decay_alone_does_not_see_the_multiplier():
    tx = mup(optax.add_decayed_weights(-DECAY), MULTIPLIERS)
    params, _ = params_and_gradients()
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = tx.update(zeros, tx.init(params), params)
    for name in MULTIPLIERS:
        np.testing.assert_allclose(updates[name], -DECAY * params[name], rtol=1e-6)


def test_without_parameters_only_the_updates_are_multiplied():
    tx = mup(optax.identity(), MULTIPLIERS)
    params, (gradient, *_) = params_and_gradients()
    updates, _ = tx.update(gradient, tx.init(params))
    for name, factor in MULTIPLIERS.items():
        np.testing.assert_array_equal(updates[name], factor * gradient[name])


def test_multipliers_of_one_change_no_bit():
    def inner(rate):
        return optax.nadamw(rate, weight_decay=DECAY)

    ones = dict.fromkeys(MULTIPLIERS, 1.0)
    found, expected = trained(lambda rate: mup(inner(rate), ones), 0.1), trained(inner, 0.1)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_a_population_with_its_own_rates_is_one_program():
    rates = jnp.asarray([0.1, 0.01])
    together = jax.vmap(functools.partial(trained, wrapped))(rates)
    for index, rate in enumerate(rates):
        alone = trained(wrapped, rate)
        for name in MULTIPLIERS:
            np.testing.assert_allclose(together[name][index], alone[name], rtol=1e-5)


def test_a_workload_without_widths_has_multipliers_of_one():
    digits = workloads.load("digits")
    multipliers = digits.learning_rate_multipliers
    assert jax.tree.structure(multipliers) == jax.tree.structure(digits.model_params_types)
    assert set(jax.tree.leaves(multipliers)) == {1.0}
