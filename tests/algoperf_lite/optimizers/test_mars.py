"""MARS: against a plain reference, and the correction by itself."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from trajectories import NUM_STEPS, check_vmapped, params_after, random_trees

from algoperf_lite.optimizers.mars import mars_adamw, reduce_variance


def reference(params, grads, learning_rate, b1, b2, gamma, weight_decay, eps=1e-8):
    """MARS-AdamW in its approximate form, coordinate by coordinate, in float64."""
    found = {}
    for name, start in params.items():
        x = start.ravel().copy()
        m, v, last = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
        for t, tree in enumerate(grads, start=1):
            g = tree[name].ravel()
            c = [g[i] + gamma * b1 / (1 - b1) * (g[i] - last[i]) for i in range(x.size)]
            norm = sum(value * value for value in c) ** 0.5
            for i in range(x.size):
                clipped = c[i] / norm if norm > 1 else c[i]
                m[i] = b1 * m[i] + (1 - b1) * clipped
                v[i] = b2 * v[i] + (1 - b2) * clipped**2
                direction = (m[i] / (1 - b1**t)) / (np.sqrt(v[i] / (1 - b2**t)) + eps)
                x[i] -= learning_rate * (direction + weight_decay * x[i])
            last = g
        found[name] = x.reshape(start.shape)
    return found


@pytest.mark.parametrize("size", [1.0, 0.05], ids=["clipped", "unclipped"])
def test_agrees_with_a_plain_reference(size):
    params, *grads = random_trees(1 + NUM_STEPS)
    grads = [{name: np.float32(size) * leaf for name, leaf in tree.items()} for tree in grads]
    point = {"learning_rate": 0.01, "b1": 0.95, "b2": 0.99, "gamma": 0.05, "weight_decay": 0.1}
    found = params_after(mars_adamw(**point), params, grads)
    expected = reference(params, grads, **point)
    for name in params:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4)


def test_many_points_are_one_program():
    check_vmapped(
        mars_adamw,
        [
            {"learning_rate": 0.01, "b1": 0.95, "gamma": 0.025, "weight_decay": 0.1},
            {"learning_rate": 0.02, "b1": 0.9, "gamma": 0.0, "weight_decay": 0.0},
        ],
    )


def test_the_correction_follows_the_change_of_the_gradient():
    transformation = reduce_variance(b1=0.9, gamma=0.1)
    state = transformation.init(jnp.zeros(2))
    _, state = transformation.update(jnp.asarray([0.1, 0.2]), state)
    found, state = transformation.update(jnp.asarray([0.3, 0.1]), state)
    np.testing.assert_allclose(found, [0.3 + 0.9 * 0.2, 0.1 - 0.9 * 0.1], rtol=1e-6)
    np.testing.assert_allclose(state.previous, [0.3, 0.1])  # as it came in, not as corrected


def test_without_correction_small_gradients_are_adamw():
    params, *grads = random_trees(4)
    grads = [{name: 0.01 * leaf for name, leaf in tree.items()} for tree in grads]
    found = params_after(mars_adamw(0.01, gamma=0.0), params, grads)
    expected = params_after(optax.adamw(0.01, 0.95, 0.99, weight_decay=0.0), params, grads)
    for name in params:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)


def test_each_leaf_is_clipped_by_itself():
    transformation = reduce_variance(b1=0.0, gamma=0.0)
    grads = {"long": jnp.full((2, 2), 5.0), "short": jnp.full(4, 0.1)}
    found, _ = transformation.update(grads, transformation.init(grads))
    np.testing.assert_allclose(found["long"], 0.5)
    np.testing.assert_allclose(found["short"], 0.1)
