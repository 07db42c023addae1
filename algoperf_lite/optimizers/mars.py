"""MARS: gradients corrected by their last change, against their noise (Yuan et al. 2024)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.spec import Array, PyTree


class ReduceVarianceState(NamedTuple):
    """The gradient of the step before, as it came in; zeros before the first step."""

    previous: PyTree


def mars_adamw(
    learning_rate: optax.ScalarOrSchedule,
    b1: Array | float = 0.95,
    b2: Array | float = 0.99,
    eps: Array | float = 1e-8,
    gamma: Array | float = 0.025,
    weight_decay: Array | float = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """AdamW on corrected gradients (arXiv 2411.10438); defaults of the authors' code."""
    # Unlike that code's default, leaves of one dimension are treated like all others.
    return optax.chain(
        reduce_variance(b1, gamma),
        optax.adamw(learning_rate, b1, b2, eps, weight_decay=weight_decay),
    )


def reduce_variance(b1: Array | float, gamma: Array | float) -> optax.GradientTransformation:
    """Gradients plus gamma b1 / (1 - b1) of their change since the last step, clipped to norm 1.

    `b1` is that of the momentum that follows; gamma = 0 leaves the clipping alone.
    """

    # The approximate form: the previous gradient stays that of the previous batch. The exact form
    # takes it anew on the current batch at the previous parameters, for a second gradient per step.
    def init(params: PyTree) -> ReduceVarianceState:
        return ReduceVarianceState(optax.tree.zeros_like(params))

    def update(
        grads: PyTree, state: ReduceVarianceState, params: PyTree | None = None
    ) -> tuple[PyTree, ReduceVarianceState]:
        del params
        # The momentum that follows keeps 1 - b1 of a gradient; the change is scaled up to reach it.
        scale = gamma * b1 / (1 - b1)
        corrected = jax.tree.map(
            lambda grad, previous: _clip(grad + scale * (grad - previous)), grads, state.previous
        )
        return corrected, ReduceVarianceState(grads)

    return optax.GradientTransformation(init, update)


def _clip(leaf: jax.Array) -> jax.Array:
    # Each leaf by itself, as in the authors' code; the paper's algorithm knows a single vector.
    return leaf / jnp.maximum(jnp.linalg.norm(leaf), 1.0)
