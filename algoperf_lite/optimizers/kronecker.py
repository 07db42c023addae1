"""Kronecker factors of tensors, for Shampoo and SOAP.

A factor of mode k of a tensor G is G_(k) G_(k)^T, G_(k) being G unfolded to (d_k, the rest).
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.spec import Array, PyTree

Scalar = Array | float

# Accelerators multiply float32 in fewer bits by default: too few for roots and eigenvectors.
_PRECISION = jax.lax.Precision.HIGHEST


def optimizer(
    direction: optax.GradientTransformation,
    learning_rate: optax.ScalarOrSchedule,
    weight_decay: Scalar,
) -> optax.GradientTransformation:
    """Steps along `direction` with decoupled weight decay (Loshchilov & Hutter 2019)."""
    return optax.chain(
        direction,
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )


def before_first_step(params: PyTree, identities: PyTree) -> tuple[Array, PyTree, ...]:
    """(count 0, two averages of zeros, factors of zeros, `identities`): an optimizer's state."""
    # Two trees of zeros and not one twice: a buffer can only be donated once.
    mu, nu = (optax.tree.zeros_like(params) for _ in range(2))
    return jnp.zeros((), jnp.int32), mu, nu, optax.tree.zeros_like(identities), identities


def gram(x: Array, mode: int) -> Array:
    """G_(k) G_(k)^T: (d_k, d_k), for k = `mode` of a tensor (d_1, .., d_m)."""
    others = [axis for axis in range(x.ndim) if axis != mode]
    return jnp.tensordot(x, x, (others, others), precision=_PRECISION)


def multiply(x: Array, matrices: Sequence[Array | None]) -> Array:
    """x with every mode k multiplied by the transpose of `matrices[k]` (d_k, d_k); None is I."""
    for matrix in matrices:  # each turn moves the first mode to the end: m turns restore the order
        if matrix is None:
            x = jnp.moveaxis(x, 0, -1)
        else:
            x = jnp.tensordot(x, matrix, (0, 0), precision=_PRECISION)
    return x


def matmul(a: Array, b: Array) -> Array:
    """a b in full float32."""
    return jnp.matmul(a, b, precision=_PRECISION)


def by_size(function: Callable[[Array], Any], tree: PyTree) -> PyTree:
    """`function` of every leaf of `tree`, a matrix (.., d, d) each; one program per size d.

    `function` takes (d, d) and returns an array or a tree of arrays, which stands in the leaf's
    place with the leading dimensions of the leaf.
    """
    # A model has a hundred matrices of a few sizes. Decompositions compile slowly, so they are
    # stacked by size.
    matrices, structure = jax.tree.flatten(tree)
    members: dict[int, list[int]] = {}
    for index, matrix in enumerate(matrices):
        members.setdefault(matrix.shape[-1], []).append(index)
    results: list[Any] = [None] * len(matrices)
    for size, indices in members.items():
        stacks = [matrices[index].reshape(-1, size, size) for index in indices]
        outputs, start = _each(function, jnp.concatenate(stacks)), 0
        for index, stack in zip(indices, stacks, strict=True):
            rows, lead = slice(start, start + len(stack)), matrices[index].shape[:-2]
            results[index] = jax.tree.map(
                lambda out, rows=rows, lead=lead: out[rows].reshape(lead + out.shape[1:]), outputs
            )
            start += len(stack)
    return structure.unflatten(results)


def _each(function: Callable[[Array], Any], stack: Array) -> Any:
    """`function` of each of a stack (n, d, d): all at once, but one after another on a CPU."""
    # On CPU, jaxlib's LAPACK calls hand shares of a batch to XLA's thread pool and wait for them
    # inside that pool. As many such calls as threads, say QR of two sizes on two cores, wait for
    # each other forever (seen with jaxlib 0.10). A call on one matrix has nothing to wait for.
    one_by_one = jax.custom_batching.sequential_vmap(lambda stack: jax.lax.map(function, stack))
    return jax.lax.platform_dependent(stack, cpu=one_by_one, default=jax.vmap(function))


def refreshed(due: Array, fresh: Callable[[], PyTree], old: PyTree) -> PyTree:
    """`fresh()` where `due` () bool, else `old`; computed only in steps where it is due."""
    # Under vmap, a cond whose flag is batched would become a select that computes `fresh` in every
    # step. So the cond asks whether any member of the batch is due.

    def compute(old: PyTree) -> PyTree:
        return jax.tree.map(lambda new, kept: jnp.where(due, new, kept), fresh(), old)

    return jax.lax.cond(_any_member(due), compute, lambda old: old, old)


@jax.custom_batching.custom_vmap
def _any_member(flag: Array) -> Array:
    return flag


@_any_member.def_vmap
def _any_member_of_batch(axis_size: int, batched: list[bool], flag: Array) -> tuple[Array, bool]:
    del axis_size, batched
    return _any_member(jnp.any(flag)), False
