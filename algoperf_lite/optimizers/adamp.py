"""AdamP: no step along the weights themselves where only their direction matters."""

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.spec import Array, PyTree

_EPS = 1e-8


def adamp(
    learning_rate: optax.ScalarOrSchedule,
    b1: Array | float = 0.9,
    b2: Array | float = 0.999,
    weight_decay: Array | float = 0.0,
    *,
    nesterov: bool = False,
    delta: float = 0.1,
    decay_ratio: Array | float = 0.1,
) -> optax.GradientTransformationExtraArgs:
    """AdamW with projected steps (Heo et al. 2021, arXiv 2006.08217, algorithm 2); NAdamP with
    Nesterov's momentum.

    Args:
      delta: a gradient counts as orthogonal to its weights, which then are those of a layer that a
        normalisation follows, where their cosine is below delta / sqrt(their number).
      decay_ratio: of the weight decay that such a layer gets.
    """
    inner = optax.scale_by_adam(b1, b2, nesterov=nesterov)

    def update(
        grads: PyTree, state: PyTree, params: PyTree | None = None, **extra_args: object
    ) -> tuple[PyTree, PyTree]:
        del extra_args
        steps, state = inner.update(grads, state, params)

        def one(step: Array, grad: Array, weight: Array) -> jax.Array:
            projected, ratio = project(step, grad, weight, delta, decay_ratio)
            return projected + weight_decay * ratio * weight

        return jax.tree.map(one, steps, grads, params), state

    projected = optax.GradientTransformationExtraArgs(inner.init, update)
    return optax.chain(projected, optax.scale_by_learning_rate(learning_rate))


def project(
    step: Array, grad: Array, weight: Array, delta: float, decay_ratio: Array | float
) -> tuple[jax.Array, jax.Array]:
    """The step without its part along the weights, if the gradient is orthogonal to them; and the
    factor on their weight decay.

    Each output channel (last axis) is tried by itself, then the layer as a whole, as in the
    authors' code. Vectors are left alone.
    """
    if weight.ndim < 2:
        return step, jnp.ones([])
    channels, layer = tuple(range(weight.ndim - 1)), tuple(range(weight.ndim))
    by_channel, by_layer = (_is_orthogonal(grad, weight, axes, delta) for axes in (channels, layer))
    found = jnp.where(
        by_channel,
        _tangent(step, weight, channels),
        jnp.where(by_layer, _tangent(step, weight, layer), step),
    )
    return found, jnp.where(by_channel | by_layer, decay_ratio, 1.0)


def _is_orthogonal(grad: Array, weight: Array, axes: tuple[int, ...], delta: float) -> jax.Array:
    """Whether it is in every group of weights that are summed over `axes`."""
    dot = jnp.abs(jnp.sum(grad * weight, axes))
    norms = jnp.sqrt(jnp.sum(grad**2, axes) * jnp.sum(weight**2, axes))
    size = weight.size / dot.size
    return jnp.max(dot / jnp.maximum(norms, _EPS)) < delta / size**0.5


def _tangent(step: Array, weight: Array, axes: tuple[int, ...]) -> jax.Array:
    unit = weight / (jnp.sqrt(jnp.sum(weight**2, axes, keepdims=True)) + _EPS)
    return step - unit * jnp.sum(unit * step, axes, keepdims=True)
