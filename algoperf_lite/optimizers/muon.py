"""Muon, whose matrices of one shape go through Newton-Schulz together, and AdamW for the rest.

`optax.contrib.muon` takes one matrix after another. A model has many of few shapes, and on an
accelerator the fifteen products of a small one cost their launches and nothing else.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.spec import Array, PyTree

Scalar = Array | float

# A quintic that is steep at zero: five steps bring singular values near 1 (Jordan 2024).
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5
_EPS = 1e-8


class MuonState(NamedTuple):
    """Steps done, () int32, and the EMA of the gradient, like the parameters."""

    count: Array
    mu: PyTree


def muon(
    learning_rate: optax.ScalarOrSchedule,
    is_matrix: PyTree,
    b1: Scalar = 0.9,
    b2: Scalar = 0.99,
    weight_decay: Scalar = 0.0,
    rms: Scalar = 0.2,
) -> optax.GradientTransformation:
    """Muon where `is_matrix` is True, AdamW elsewhere, with one learning rate and weight decay.

    Equals `optax.contrib.muon` with `consistent_rms`.

    Args:
      is_matrix: a bool for each parameter; True for those of two dimensions that Muon is to take.
      b1, b2: decays of AdamW; Muon's average of the gradient has 0.95.
      rms: root mean square of Muon's steps at a learning rate of 1; 0.2 is about AdamW's (Liu et
        al. 2025, arXiv 2502.16982, eq. 4).
    """
    matrices = optax.chain(
        scale_by_muon(rms=rms),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )
    others = optax.nadamw(learning_rate, b1, b2, weight_decay=weight_decay)
    labels = jax.tree.map(lambda one: "muon" if one else "adam", is_matrix)
    return optax.partition({"muon": matrices, "adam": others}, labels)


def scale_by_muon(decay: Scalar = 0.95, rms: Scalar = 0.2) -> optax.GradientTransformation:
    """The averaged gradient with all singular values near 1; every leaf is a matrix."""

    def init(params: PyTree) -> MuonState:
        return MuonState(jnp.zeros((), jnp.int32), optax.tree.zeros_like(params))

    def update(
        grads: PyTree, state: MuonState, params: PyTree | None = None
    ) -> tuple[PyTree, MuonState]:
        del params
        count = optax.safe_increment(state.count)
        mu = optax.tree.update_moment(grads, state.mu, decay, 1)
        # Nesterov's look-ahead, as in optax.nadam.
        ahead = optax.tree.bias_correction(mu, decay, optax.safe_increment(count))
        now = optax.tree.bias_correction(grads, decay, count)
        momentum = jax.tree.map(lambda m, g: decay * m + (1 - decay) * g, ahead, now)

        def of_stack(stack_NxAxB: Array) -> Array:
            scale = rms * max(stack_NxAxB.shape[1:]) ** 0.5
            return scale * orthogonalized(stack_NxAxB)

        return by_shape(of_stack, momentum), MuonState(count, mu)

    return optax.GradientTransformation(init, update)


def orthogonalized(stack_NxAxB: Array) -> Array:
    """Newton-Schulz steps on each of N matrices with A <= B: singular values go to about 1."""
    c1, c3, c5 = _COEFFICIENTS
    norms_Nx1x1 = jnp.sqrt(jnp.square(stack_NxAxB).sum(axis=(1, 2), keepdims=True))
    x = stack_NxAxB / (norms_Nx1x1 + _EPS)
    for _ in range(_STEPS):
        gram_NxAxA = x @ x.swapaxes(1, 2)
        x = c1 * x + (c3 * gram_NxAxA + c5 * gram_NxAxA @ gram_NxAxA) @ x
    return x


def by_shape(function: Callable[[Array], Array], tree: PyTree) -> PyTree:
    """`function` of all matrices of a tree, in stacks (N, A, B) of one shape with A <= B.

    Tall matrices are transposed on the way in and on the way out.
    """
    matrices, structure = jax.tree.flatten(tree)
    members: dict[tuple, list[int]] = {}
    for index, matrix in enumerate(matrices):
        members.setdefault((*sorted(matrix.shape), matrix.dtype), []).append(index)
    results: list[Array] = list(matrices)
    for indices in members.values():
        found = function(jnp.stack([_flat(matrices[index]) for index in indices]))
        for index, result in zip(indices, found, strict=True):
            results[index] = result.T if _is_tall(matrices[index]) else result
    return structure.unflatten(results)


def _is_tall(matrix: Array) -> bool:
    return matrix.shape[0] > matrix.shape[1]


def _flat(matrix: Array) -> Array:
    return matrix.T if _is_tall(matrix) else matrix
