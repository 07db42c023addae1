"""AdamP: the projection by hand, and whole steps against a plain reference."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from trajectories import NUM_STEPS, check_vmapped, params_after, random_trees

from algoperf_lite.optimizers.adamp import adamp, project


def reference(params, grads, learning_rate, b1, b2, weight_decay, nesterov, delta, decay_ratio):
    """The authors' procedure on leaves whose last axis is the output, in float64."""
    found = {}
    for name, start in params.items():
        w, m, v = start.copy(), np.zeros_like(start), np.zeros_like(start)
        for t, tree in enumerate(grads, start=1):
            g = tree[name]
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            first = m / (1 - b1**t)
            if nesterov:
                first = b1 * m / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)
            step, ratio = first / (np.sqrt(v / (1 - b2**t)) + 1e-8), 1.0
            for rows in (w.shape[-1], 1) if w.ndim > 1 else ():
                x, y, s = (
                    a.reshape(-1, rows) if rows > 1 else a.reshape(-1, 1) for a in (w, g, step)
                )
                cosine = abs((x * y).sum(0)) / np.maximum(
                    np.linalg.norm(x, axis=0) * np.linalg.norm(y, axis=0), 1e-8
                )
                if cosine.max() < delta / np.sqrt(len(x)):
                    unit = x / (np.linalg.norm(x, axis=0) + 1e-8)
                    step, ratio = (s - unit * (unit * s).sum(0)).reshape(w.shape), decay_ratio
                    break
            w = w - learning_rate * (step + weight_decay * ratio * w)
        found[name] = w
    return found


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("delta", [0.1, 2.0, 100.0], ids=["seldom", "often", "always"])
def test_agrees_with_a_plain_reference(nesterov, delta):
    params, *grads = random_trees(1 + NUM_STEPS)
    rest = {"nesterov": nesterov, "delta": delta, "decay_ratio": 0.1}
    point = {"learning_rate": 0.01, "b1": 0.9, "b2": 0.99, "weight_decay": 0.5}
    found = params_after(adamp(**point, **rest), params, grads)
    expected = reference(params, grads, **point, **rest)
    for name in params:
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-4, atol=1e-5)


def test_a_step_loses_its_part_along_orthogonal_weights():
    # Two channels, each with weights along its first input and a gradient along its second.
    weight, grad = jnp.array([[2.0, 3.0], [0.0, 0.0]]), jnp.array([[0.0, 0.0], [1.0, 1.0]])
    step = jnp.array([[5.0, 7.0], [1.0, 2.0]])
    found, ratio = project(step, grad, weight, 0.1, 0.25)
    np.testing.assert_allclose(found, [[0.0, 0.0], [1.0, 2.0]], atol=1e-5)
    assert ratio == 0.25


def test_channels_that_are_orthogonal_only_together_are_projected_together():
    # Channel by channel the gradient is along the weights; over the layer both cancel.
    weight, grad = jnp.array([[1.0, 1.0]]), jnp.array([[1.0, -1.0]])
    found, ratio = project(jnp.array([[3.0, 1.0]]), grad, weight, 0.1, 0.25)
    np.testing.assert_allclose(found, [[1.0, -1.0]], atol=1e-5)
    assert ratio == 0.25


def test_other_weights_and_vectors_keep_their_step():
    weight = jnp.array([[1.0], [2.0]])
    found, ratio = project(weight, weight, weight, 0.1, 0.25)
    assert (found == weight).all() and ratio == 1.0
    found, ratio = project(jnp.ones(2), jnp.ones(2), jnp.array([1.0, -1.0]), 0.1, 0.25)
    assert (found == 1.0).all() and ratio == 1.0


def test_on_vectors_it_is_adamw():
    _, *trees = random_trees(5)
    trees = [{"vector": tree["vector"]} for tree in trees]
    found = params_after(adamp(0.01, weight_decay=0.1, nesterov=True), trees[0], trees)
    expected = params_after(optax.nadamw(0.01, weight_decay=0.1), trees[0], trees)
    np.testing.assert_allclose(found["vector"], expected["vector"], rtol=1e-5)


def test_many_points_are_one_program():
    check_vmapped(
        adamp,
        [
            {"learning_rate": 0.01, "b1": 0.95, "weight_decay": 0.1},
            {"learning_rate": 0.02, "b1": 0.9, "weight_decay": 0.0},
        ],
    )
