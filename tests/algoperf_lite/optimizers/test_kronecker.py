"""Results by size come back in order; LAPACK and refreshes do under vmap what they must."""

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.optimizers import kronecker


def test_by_size_keeps_the_order():
    rng = np.random.default_rng(0)
    shapes = [(3, 3), (2, 4, 4), (2, 3, 3), (4, 4)]
    matrices = [jnp.asarray(rng.integers(-9, 9, shape), jnp.float32) for shape in shapes]

    def function(matrix):
        return {"twice": 2 * matrix, "trace": jnp.trace(matrix)}

    results = kronecker.by_size(function, matrices)
    for matrix, result in zip(matrices, results, strict=True):
        np.testing.assert_array_equal(result["twice"], 2 * matrix)
        np.testing.assert_array_equal(result["trace"], np.trace(matrix, axis1=-2, axis2=-1))


def test_lapack_gets_one_matrix_at_a_time_and_one_call_per_size():
    """Batches would hang a CPU now and then: see `kronecker._each`."""

    def eigenvalues(matrices):
        return kronecker.by_size(lambda a: jnp.linalg.eigh(a)[0], matrices)

    members = [jnp.ones((5, 2, 3, 3)), jnp.ones((5, 4, 4)), jnp.ones((5, 3, 3))]
    program = jax.jit(jax.vmap(eigenvalues)).lower(members).as_text()
    calls = [line for line in program.splitlines() if "lapack" in line]
    assert len(calls) == 2
    assert all('num_batch_dims = "0"' in call for call in calls)


def test_a_refresh_under_vmap_is_still_a_branch_and_per_member():
    def step(due, old):
        return kronecker.refreshed(due, lambda: old + 1, old)

    due, old = jnp.array([True, False]), jnp.zeros((2, 3))
    np.testing.assert_array_equal(jax.vmap(step)(due, old), [[1] * 3, [0] * 3])
    np.testing.assert_array_equal(jax.vmap(step)(~due & due, old), old)
    assert "conditional" in jax.jit(jax.vmap(step)).lower(due, old).compile().as_text()
    nested = jax.vmap(jax.vmap(step))(due[None], old[None])
    np.testing.assert_array_equal(nested, [[[1] * 3, [0] * 3]])
