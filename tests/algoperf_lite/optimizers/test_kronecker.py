"""Batching by size gives what one call per matrix gives; a refresh stays a branch under vmap."""

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.optimizers import kronecker


def test_by_size_calls_once_per_size_and_keeps_the_order():
    rng = np.random.default_rng(0)
    shapes = [(3, 3), (2, 4, 4), (2, 3, 3), (4, 4)]
    matrices = [jnp.asarray(rng.integers(-9, 9, shape), jnp.float32) for shape in shapes]
    calls = []

    def function(stack):
        calls.append(stack.shape)
        return {"twice": 2 * stack, "trace": jnp.trace(stack, axis1=1, axis2=2)}

    results = kronecker.by_size(function, matrices)
    assert calls == [(3, 3, 3), (3, 4, 4)]
    for matrix, result in zip(matrices, results, strict=True):
        np.testing.assert_array_equal(result["twice"], 2 * matrix)
        np.testing.assert_array_equal(result["trace"], np.trace(matrix, axis1=-2, axis2=-1))


def test_a_refresh_under_vmap_is_still_a_branch_and_per_member():
    def step(due, old):
        return kronecker.refreshed(due, lambda: old + 1, old)

    due, old = jnp.array([True, False]), jnp.zeros((2, 3))
    np.testing.assert_array_equal(jax.vmap(step)(due, old), [[1] * 3, [0] * 3])
    np.testing.assert_array_equal(jax.vmap(step)(~due & due, old), old)
    assert "conditional" in jax.jit(jax.vmap(step)).lower(due, old).compile().as_text()
    nested = jax.vmap(jax.vmap(step))(due[None], old[None])
    np.testing.assert_array_equal(nested, [[[1] * 3, [0] * 3]])
