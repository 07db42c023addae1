"""Amos: one step by hand, many against a plain reference, and the scale of each kind of weight."""

import jax
import numpy as np
import pytest
from trajectories import NUM_STEPS, check_vmapped, params_after, random_trees

from algoperf_lite.optimizers.amos import Prior, amos, prior
from algoperf_lite.spec import ParameterType, ShapeTuple

PRIORS = {"matrix": Prior(0.4, (0,)), "tensor": Prior(0.3, (0, 1)), "vector": Prior(0.5, (0,))}


def reference(params, grads, xi, b2):
    """Algorithm 1 of the paper, in float64."""
    found = {}
    for name, start in params.items():
        own, w = PRIORS[name], start.copy()
        v, b = np.zeros(()), np.zeros(())
        for t, tree in enumerate(grads, start=1):
            g = tree[name]
            square = np.mean(g**2, axis=own.axes, keepdims=True)
            v = b2 * v + (1 - b2) * square
            v_hat = v / (1 - b2**t)
            gamma = (1 + np.sqrt(xi) * b / 4) ** -0.5 * xi**2 / v_hat * square
            d = 1 / (1 + np.sqrt(xi * own.scale) * b / 4)
            w = w - d * (xi * own.scale / np.sqrt(v_hat) * g + gamma * w / 2)
            b = b + gamma * (1 + b)
        found[name] = w
    return found


def test_the_first_step_by_hand():
    # g^2 has the mean 4 and v_hat is just that; gamma = xi^2 = 0.01; nothing has decayed yet.
    params, grads = {"w": np.array([[1.0], [-1.0]])}, {"w": np.array([[2.0], [2.0]])}
    found = params_after(amos(0.1, {"w": Prior(0.5, (0,))}), params, [grads])
    expected = [[1 - 0.1 * 0.5 - 0.005], [-1 - 0.1 * 0.5 + 0.005]]
    np.testing.assert_allclose(found["w"], expected, rtol=1e-6)


@pytest.mark.parametrize("xi", [0.3, 0.02])
def test_agrees_with_a_plain_reference(xi):
    params, *grads = random_trees(1 + NUM_STEPS)
    found = params_after(amos(xi, PRIORS, b2=0.99), params, grads)
    expected = reference(params, grads, xi, 0.99)
    for name in params:
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-4, atol=1e-5)


def test_many_points_are_one_program():
    points = [{"learning_rate": 0.1, "b2": 0.99}, {"learning_rate": 0.02, "b2": 0.9}]
    check_vmapped(lambda learning_rate, b2: amos(learning_rate, PRIORS, b2), points)


def test_weights_without_a_gradient_stay():
    params = {"w": np.ones((2, 3))}
    optimizer = amos(0.1, {"w": Prior(0.5, (0,))})
    grads = {"w": np.array([[1.0, 0.0, 1.0]] * 2)}
    found = params_after(optimizer, params, [grads, grads])
    assert np.all(np.isfinite(found["w"])) and np.all(found["w"][:, 1] == 1.0)


def test_the_scale_of_each_kind():
    kinds = {
        ((16, 3), ParameterType.WEIGHT): Prior(0.25, (0,)),
        ((3, 3, 4, 8), ParameterType.CONV_WEIGHT): Prior(1 / 6, (0, 1, 2)),
        ((100, 16), ParameterType.EMBEDDING): Prior(1.0, (1,)),
        ((16,), ParameterType.BIAS): Prior(0.5, (0,)),
        ((16,), ParameterType.LAYER_NORM_SCALE): Prior(1.0, (0,)),
    }
    for (shape, kind), expected in kinds.items():
        found = prior(ShapeTuple(shape), kind)
        assert found.axes == expected.axes and found.scale == pytest.approx(expected.scale)
    assert jax.tree.leaves({"w": Prior(1.0, (0,))})  # a leaf, so that trees of them are mapped
