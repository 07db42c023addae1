"""Layers that flax.linen lacks and several workloads need.

A model's `dtype` is that of its activations and products. Parameters, statistics of norms, softmax,
running sums and logits are float32 in any case, and so is an output layer that is small.
"""

import math
from collections.abc import Callable
from typing import TypeVar

import flax.linen as nn
import flax.linen.dtypes
import jax
import jax.numpy as jnp

T = TypeVar("T")


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
        return jnp.where(mask, (x / jnp.maximum(keep, 1e-7)).astype(x.dtype), 0.0)


def _bias_in_float32(
    inputs: jax.Array, kernel: jax.Array, bias: jax.Array, dtype: jax.typing.DTypeLike
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """linen's way of giving arrays the type `dtype`, but for the bias."""
    return (*flax.linen.dtypes.promote_dtype(inputs, kernel, dtype=dtype), bias)


class Dense(nn.Dense):
    """linen's Dense, whose bias is added in float32, and so its gradient summed, before the result
    is rounded: a sum over a batch in bfloat16 no longer grows once it is 256 times its terms."""

    promote_dtype: Callable[..., tuple[jax.Array, ...]] = _bias_in_float32

    def __call__(self, inputs: jax.Array) -> jax.Array:
        return super().__call__(inputs).astype(self.dtype)


class Conv(nn.Conv):
    """linen's Conv, with a bias as in `Dense`."""

    promote_dtype: Callable[..., tuple[jax.Array, ...]] = _bias_in_float32

    def __call__(self, inputs: jax.Array) -> jax.Array:
        return super().__call__(inputs).astype(self.dtype)


class Embed(nn.Embed):
    """linen's Embed, whose rows are rounded to `dtype` after they are looked up, not before.

    So the gradient of a row that many tokens of a batch share is summed in float32.
    """

    def __call__(self, inputs: jax.Array) -> jax.Array:
        rows = jnp.take(self.embedding, inputs, axis=0)
        return rows if self.dtype is None else rows.astype(self.dtype)


def batch_norm(
    dtype: jax.typing.DTypeLike,
    train: bool,
    scale_init: nn.initializers.Initializer = nn.initializers.ones,
    name: str | None = None,
) -> nn.BatchNorm:
    """The batch norm of AlgoPerf's ResNets; its statistics are float32."""
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=0.9,
        epsilon=1e-5,
        dtype=dtype,
        scale_init=scale_init,
        name=name,
    )


def recomputed(
    layer: nn.Module,
    call: Callable[[nn.Module, jax.Array], T],
    x: jax.Array,
    remat: bool,
    kept: Callable[..., bool] | None = None,
) -> T:
    """`call(layer, x)`, whose intermediate arrays, with `remat`, are not kept for the backward pass
    but computed again in it (Chen et al. 2016, "Training deep nets with sublinear memory cost").

    The layer keeps its name, so parameters do not depend on `remat`.

    Args:
      kept: which results of operations are kept after all, a policy of `jax.checkpoint`.
    """
    return nn.remat(call, policy=kept)(layer, x) if remat else call(layer, x)
