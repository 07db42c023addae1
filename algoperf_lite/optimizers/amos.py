"""Amos: Adam whose step and weight decay shrink at a rate that each weight's scale sets."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.spec import Array, ParameterType, PyTree, ShapeTuple

_BIASES = (ParameterType.BIAS, ParameterType.BATCH_NORM_BIAS, ParameterType.LAYER_NORM_BIAS)
_BIASES += (ParameterType.ATTENTION_BIAS,)


@dataclasses.dataclass(frozen=True)
class Prior:
    """What is known of a parameter before training.

    Attributes:
      scale: the root mean square of its entries when training ends, as the model suggests it.
      axes: those that share one second moment.
    """

    scale: float
    axes: tuple[int, ...]


class AmosState(NamedTuple):
    """Steps made; second moments; and how far the decay has come. Both have length 1 on the axes
    that share them."""

    count: Array
    v: PyTree
    b: PyTree


def prior(shape: ShapeTuple, kind: ParameterType) -> Prior:
    """The model-oriented scale of a parameter by its role (arXiv 2210.11693, section 3.1).

    1 / sqrt(inputs) for what multiplies inputs, 1 for embeddings and scales, 1/2 for biases.
    """
    sizes = shape.shape_tuple
    if kind is ParameterType.EMBEDDING:
        return Prior(1.0, (len(sizes) - 1,))  # a row per word
    if len(sizes) < 2:
        return Prior(0.5 if kind in _BIASES else 1.0, tuple(range(len(sizes))))
    axes = tuple(range(len(sizes) - 1))
    num_inputs = 1
    for axis in axes:
        num_inputs *= sizes[axis]
    return Prior(num_inputs**-0.5, axes)


def amos(
    learning_rate: optax.ScalarOrSchedule, priors: PyTree, b2: Array | float = 0.999
) -> optax.GradientTransformation:
    """Amos without momentum (Tian & Parikh 2022, arXiv 2210.11693, algorithm 1).

    Args:
      learning_rate: the global one, xi; it needs no decay, since the factors c and d have it.
      priors: a `Prior` for each parameter, in a tree like theirs.
      b2: of the second moments.
    """

    def init(params: PyTree) -> AmosState:
        zeros = jax.tree.map(lambda p, w: jnp.zeros_like(_mean(w, p)), priors, params)
        return AmosState(jnp.zeros([], jnp.int32), zeros, zeros)

    def update(
        grads: PyTree, state: AmosState, params: PyTree | None = None
    ) -> tuple[PyTree, AmosState]:
        rate = learning_rate(state.count) if callable(learning_rate) else learning_rate
        count = optax.safe_increment(state.count)
        correction = 1 - jnp.asarray(b2, jnp.float32) ** count

        def one(own: Prior, g: Array, v: Array, b: Array, w: Array) -> tuple[Array, Array, Array]:
            square = _mean(g**2, own)
            v = b2 * v + (1 - b2) * square
            # A weight whose gradient was 0 so far does not move.
            v_hat = jnp.maximum(v / correction, jnp.finfo(v.dtype).tiny)
            c = (1 + 0.25 * jnp.sqrt(rate) * b) ** -0.5
            d = 1 / (1 + 0.25 * jnp.sqrt(rate * own.scale) * b)
            gamma = c * rate**2 * square / v_hat
            step = d * (rate * own.scale * g / jnp.sqrt(v_hat) + 0.5 * gamma * w)
            return -step, v, b + gamma * (1 + b)

        found = jax.tree.map(one, priors, grads, state.v, state.b, params)
        of_three = jax.tree.structure((0, 0, 0))
        updates, v, b = jax.tree.transpose(jax.tree.structure(grads), of_three, found)
        return updates, AmosState(count, v, b)

    return optax.GradientTransformation(init, update)


def _mean(leaf: Array, own: Prior) -> jax.Array:
    return jnp.mean(leaf, axis=own.axes, keepdims=True)
