"""Muon in stacks against optax's, which takes one matrix after another."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import trajectories

from algoperf_lite.optimizers import muon

# Two shapes of three matrices each, one of them lying and standing; what AdamW takes.
SHAPES = {
    "a": (4, 6),
    "b": (4, 6),
    "c": (6, 4),
    "d": (5, 5),
    "e": (5, 5),
    "lone": (7, 2),
    "embedding": (9, 3),
    "kernel": (3, 3, 2),
    "bias": (6,),
}
IS_MATRIX = {name: len(shape) == 2 and name != "embedding" for name, shape in SHAPES.items()}
POINT = {"learning_rate": 0.02, "b1": 0.85, "weight_decay": 0.1}


def trees(num):
    random = np.random.default_rng(0)
    return [
        {name: random.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
        for _ in range(num)
    ]


def ours(learning_rate, b1, weight_decay):
    return muon.muon(learning_rate, IS_MATRIX, b1=b1, weight_decay=weight_decay)


def optaxs(learning_rate, b1, weight_decay):
    numbers = {n: optax.contrib.MuonDimensionNumbers() if m else None for n, m in IS_MATRIX.items()}
    return optax.contrib.muon(
        learning_rate,
        weight_decay=weight_decay,
        consistent_rms=0.2,
        adam_b1=b1,
        adam_b2=0.99,
        adam_weight_decay=weight_decay,
        muon_weight_dimension_numbers=numbers,
    )


def test_parameters_are_those_of_optax():
    params, *grads = trees(11)
    found, expected = (
        trajectories.params_after(make(**POINT), params, grads) for make in (ours, optaxs)
    )
    for name in SHAPES:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5, err_msg=name)
        assert not np.allclose(found[name], params[name], atol=1e-3)


def test_points_are_traced():
    params, *grads = trees(4)

    def run(point):
        state = ours(**point).init(params)
        current = params
        for tree in grads:
            updates, state = ours(**point).update(tree, state, current)
            current = optax.apply_updates(current, updates)
        return current

    points = [POINT, {**POINT, "learning_rate": 0.01, "b1": 0.5}]
    stacked = {name: jnp.asarray([point[name] for point in points]) for name in POINT}
    together = jax.jit(jax.vmap(run))(stacked)
    for index, point in enumerate(points):
        alone = jax.jit(run)({name: jnp.asarray(value) for name, value in point.items()})
        for name in SHAPES:
            np.testing.assert_allclose(together[name][index], alone[name], rtol=1e-4, atol=1e-5)


def test_equal_shapes_are_one_stack_whichever_way_they_lie():
    seen = []

    def record(stack):
        seen.append(stack.shape)
        return 2 * stack

    matrices = {name: tree for name, tree in trees(1)[0].items() if IS_MATRIX[name]}
    found = muon.by_shape(record, matrices)
    assert sorted(seen) == [(1, 2, 7), (2, 5, 5), (3, 4, 6)]
    for name, matrix in matrices.items():
        np.testing.assert_array_equal(found[name], 2 * matrix)
