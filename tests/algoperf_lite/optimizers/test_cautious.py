"""Cautious: against a plain reference, what it keeps, and how it composes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from trajectories import NUM_STEPS, check_vmapped, params_after, random_trees

from algoperf_lite.optimizers.cautious import cautious, masked


def cautious_adamw(learning_rate, b1, weight_decay):
    return optax.chain(
        cautious(optax.scale_by_adam(b1, 0.99)),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )


def reference(params, grads, learning_rate, b1, weight_decay, b2=0.99, eps=1e-8):
    """C-AdamW, coordinate by coordinate, in float64."""
    found = {}
    for name, start in params.items():
        x = start.ravel().copy()
        m, v = np.zeros_like(x), np.zeros_like(x)
        for t, tree in enumerate(grads, start=1):
            direction, kept = np.zeros_like(x), 0
            for i, g in enumerate(tree[name].ravel()):
                m[i] = b1 * m[i] + (1 - b1) * g
                v[i] = b2 * v[i] + (1 - b2) * g * g
                if m[i] * g > 0:
                    kept += 1
                    direction[i] = (m[i] / (1 - b1**t)) / (np.sqrt(v[i] / (1 - b2**t)) + eps)
            direction /= max(kept / x.size, 1e-3)
            for i in range(x.size):
                x[i] -= learning_rate * (direction[i] + weight_decay * x[i])
        found[name] = x.reshape(start.shape)
    return found


def test_agrees_with_a_plain_reference():
    params, *grads = random_trees(1 + NUM_STEPS)
    point = {"learning_rate": 0.01, "b1": 0.9, "weight_decay": 0.1}
    found = params_after(cautious_adamw(**point), params, grads)
    expected = reference(params, grads, **point)
    for name in params:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4)


def test_many_points_are_one_program():
    check_vmapped(
        cautious_adamw,
        [
            {"learning_rate": 0.01, "b1": 0.9, "weight_decay": 0.1},
            {"learning_rate": 0.02, "b1": 0.5, "weight_decay": 0.0},
        ],
    )


def test_no_coordinate_moves_against_its_gradient():
    params, *grads = random_trees(1 + NUM_STEPS)
    optimizer = optax.chain(cautious(optax.scale_by_adam()), optax.scale_by_learning_rate(0.01))
    state = optimizer.init(params)
    zeros = 0
    for tree in grads:
        updates, state = optimizer.update(tree, state)
        for update, grad in zip(jax.tree.leaves(updates), jax.tree.leaves(tree), strict=True):
            assert np.all(update * grad <= 0)  # downhill or not at all
            zeros += np.sum(update == 0)
    assert zeros > 0, "random gradients must make Adam's momentum disagree somewhere"


@pytest.mark.parametrize("scale", [1.0, 1e-30])
def test_the_kept_make_up_for_the_masked(scale):
    found = masked(jnp.asarray([1.0, 2.0, -3.0, 4.0]), scale * jnp.asarray([1.0, -1.0, -1.0, 0.0]))
    np.testing.assert_allclose(found, [2.0, 0.0, -6.0, 0.0])


def test_a_leaf_that_agrees_nowhere_or_hardly_anywhere_stays_finite():
    grad = jnp.ones(10_000)
    assert not np.any(masked(-grad, grad))
    assert np.max(masked((-grad).at[0].set(1.0), grad)) == pytest.approx(1000)


def test_extra_arguments_reach_the_inner_transformation():
    inner = optax.GradientTransformationExtraArgs(
        lambda params: (), lambda grads, state, params=None, *, value: (value * grads, state)
    )
    updates, _ = cautious(inner).update(jnp.ones(3), (), value=2.0)
    np.testing.assert_array_equal(updates, [2.0, 2.0, 2.0])
