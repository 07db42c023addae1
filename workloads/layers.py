"""Layers that flax.linen lacks and several workloads need."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Dropout(nn.Module):
    """Dropout whose rate is an argument of the call, so that it may be a traced hyperparameter.

    linen's own Dropout keeps the rate as a Python attribute and raises on a tracer.
    """

    @nn.compact
    def __call__(self, x: jax.Array, rate: jax.Array | float, deterministic: bool) -> jax.Array:
        if deterministic or (isinstance(rate, float | int) and rate == 0):
            return x
        keep = 1.0 - rate
        mask = jax.random.bernoulli(self.make_rng("dropout"), keep, x.shape)
        # A rate of 1 keeps nothing; the guard turns 0 * inf into 0.
        return jnp.where(mask, x / jnp.maximum(keep, 1e-7), 0.0)
