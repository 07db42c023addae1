"""Averages of the latest weights (LAWA), for evaluation: training itself goes on as it would."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.spec import Array, PyTree


class QueueState(NamedTuple):
    """Steps made, the inner state, and the latest copies of the parameters, (length, ...) each."""

    count: Array
    inner: PyTree
    copies: PyTree
    every: Array  # steps from one copy to the next


class AverageState(NamedTuple):
    """Steps made, the inner state, a decaying sum of copies, and the weight that it has so far."""

    count: Array
    inner: PyTree
    total: PyTree
    weight: Array


def lawa_queue(
    inner: optax.GradientTransformation, every: Array | float, length: int = 5
) -> optax.GradientTransformationExtraArgs:
    """`inner`, keeping the parameters of every so many steps in a queue (Kaddour 2022, arXiv
    2209.14981; Sanyal et al. 2023, arXiv 2306.03241). `queue_mean` is what to evaluate."""
    inner = optax.with_extra_args_support(inner)

    def init(params: PyTree) -> QueueState:
        copies = jax.tree.map(lambda w: jnp.zeros((length, *w.shape), w.dtype), params)
        return QueueState(jnp.zeros([], jnp.int32), inner.init(params), copies, _whole(every))

    def update(
        grads: PyTree, state: QueueState, params: PyTree | None = None, **extra_args: object
    ) -> tuple[PyTree, QueueState]:
        updates, inner_state = inner.update(grads, state.inner, params, **extra_args)
        count = optax.safe_increment(state.count)
        is_due, place = count % state.every == 0, (count // state.every - 1) % length
        # The place is the one of the oldest copy; where none is due, it gets itself again.
        copies = jax.tree.map(
            lambda old, w: old.at[place].set(jnp.where(is_due, w, old[place])),
            state.copies,
            optax.apply_updates(params, updates),
        )
        return updates, QueueState(count, inner_state, copies, state.every)

    return optax.GradientTransformationExtraArgs(init, update)


def queue_mean(state: QueueState, params: PyTree) -> PyTree:
    """The mean of the copies in the queue; `params` while there is none."""
    num = state.count // state.every

    def mean(copies: Array, w: Array) -> jax.Array:
        average = jnp.sum(copies, axis=0) / jnp.clip(num, 1, len(copies))
        return jnp.where(num > 0, average, w).astype(w.dtype)

    return jax.tree.map(mean, state.copies, params)


def lawa_ema(
    inner: optax.GradientTransformation, every: Array | float, decay: Array | float = 0.9
) -> optax.GradientTransformationExtraArgs:
    """`inner`, averaging the parameters of every so many steps with weights that fall by `decay`.
    `ema_mean` is what to evaluate."""
    inner = optax.with_extra_args_support(inner)

    def init(params: PyTree) -> AverageState:
        zeros = optax.tree.zeros_like(params)
        return AverageState(jnp.zeros([], jnp.int32), inner.init(params), zeros, jnp.zeros([]))

    def update(
        grads: PyTree, state: AverageState, params: PyTree | None = None, **extra_args: object
    ) -> tuple[PyTree, AverageState]:
        updates, inner_state = inner.update(grads, state.inner, params, **extra_args)
        count = optax.safe_increment(state.count)
        kept = jnp.where(count % _whole(every) == 0, decay, 1.0)
        total = jax.tree.map(
            lambda old, w: (kept * old + (1 - kept) * w).astype(w.dtype),
            state.total,
            optax.apply_updates(params, updates),
        )
        return updates, AverageState(count, inner_state, total, kept * state.weight + (1 - kept))

    return optax.GradientTransformationExtraArgs(init, update)


def ema_mean(state: AverageState, params: PyTree) -> PyTree:
    """The average so far, without a share of the zeros that it began with; `params` before it."""

    def mean(total: Array, w: Array) -> jax.Array:
        average = total / jnp.maximum(state.weight, jnp.finfo(jnp.float32).tiny)
        return jnp.where(state.weight > 0, average, w).astype(w.dtype)

    return jax.tree.map(mean, state.total, params)


def _whole(every: Array | float) -> jax.Array:
    return jnp.maximum(jnp.asarray(every, jnp.int32), 1)
