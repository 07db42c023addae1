"""Layers that flax.linen lacks and several workloads need."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp


def lecun_normal(
    key: jax.Array, shape: tuple[int, ...], dtype: jax.typing.DTypeLike = jnp.float32
) -> jax.Array:
    """linen's default initialisation of a kernel (..., in, out): the same numbers, drawn flat."""
    # Random numbers of four axes take XLA's CPU backend seconds to compile, for every shape.
    unit_std = 0.87962566103423978  # of a normal number cut off at -2 and 2
    numbers = jax.random.truncated_normal(key, -2, 2, (math.prod(shape),), dtype)
    std = jnp.sqrt(1 / math.prod(shape[:-1])) / jnp.array(unit_std, dtype)
    return (numbers * std).reshape(shape)


class Dropout(nn.Module):
    """Dropout whose rate is an argument of the call, so that it may be a traced hyperparameter.

    linen's own Dropout keeps the rate as a Python attribute and raises on a tracer.
    """

    @nn.compact
    def __call__(self, x: jax.Array, rate: jax.Array | float, deterministic: bool) -> jax.Array:
        # A traced rate cannot be compared, so only a plain 0 saves the random numbers.
        if deterministic or (isinstance(rate, float | int) and rate == 0):
            return x
        keep = 1.0 - rate
        mask = jax.random.bernoulli(self.make_rng("dropout"), keep, x.shape)
        # A rate of 1 keeps nothing; the guard turns 0 * inf into 0.
        return jnp.where(mask, x / jnp.maximum(keep, 1e-7), 0.0)
