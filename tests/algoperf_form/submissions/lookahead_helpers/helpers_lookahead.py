"""Lookahead (Zhang et al. 2019): slow weights that follow the fast ones every few steps."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax


class LookaheadState(NamedTuple):
    count: jax.Array
    slow: optax.Params
    fast: optax.OptState


def lookahead(
    optimizer: optax.GradientTransformation, sync_period: int, slow_step_size: float
) -> optax.GradientTransformation:
    """`optimizer`, whose parameters are pulled to the slow weights every `sync_period` steps."""

    def init(params):
        slow = jax.tree.map(jnp.array, params)
        return LookaheadState(jnp.zeros((), jnp.int32), slow, optimizer.init(params))

    def update(grads, state, params):
        updates, fast_state = optimizer.update(grads, state.fast, params)
        count = state.count + 1
        fast = optax.apply_updates(params, updates)

        def sync(slow):
            return jax.tree.map(lambda s, f: s + slow_step_size * (f - s), slow, fast)

        is_due = count % sync_period == 0
        slow = jax.lax.cond(is_due, sync, lambda slow: slow, state.slow)
        updates = jax.tree.map(lambda u, s, p: jnp.where(is_due, s - p, u), updates, slow, params)
        return updates, LookaheadState(count, slow, fast_state)

    return optax.GradientTransformation(init, update)
