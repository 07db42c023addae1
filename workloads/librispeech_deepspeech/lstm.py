"""Bidirectional LSTM layers by cuDNN: one call forward and one backward, where a scan has a step a
frame.

Shape suffixes: B batch, T frames, D features, H width of one direction, G = 4 H gates.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.experimental import rnn

from workloads import platform

METHODS = ("auto", "scan", "cudnn")


def uses_cudnn(method: str) -> bool:
    """Whether a layer is to be computed by cuDNN; "auto" means where it is.

    Raises:
      ValueError: if there is no such method, or no cuDNN for it.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r} of an LSTM; expected one of {METHODS}")
    if method == "cudnn" and not platform.has_cudnn():
        raise ValueError(
            "an LSTM by method 'cudnn' needs an NVIDIA GPU, and JAX computes on "
            f"{jax.devices()[0].device_kind!r}; use method 'auto'"
        )
    return method != "scan" and platform.has_cudnn()


def by_cudnn(
    x_BxTxD: jax.Array,
    valid_BxT: jax.Array,
    kernels_DxG: Sequence[jax.Array],
    recurrents_HxG: Sequence[jax.Array],
    biases_G: Sequence[jax.Array],
) -> jax.Array:
    """Both directions side by side, (B, T, 2 H); zero on padding, which comes after what is valid.

    Weights are pairs (forward, backward), their gates in the order i f g o.
    """
    hidden = recurrents_HxG[0].shape[0]
    is_valid = valid_BxT[..., None] > 0
    # cuDNN counts frames from 1. Of an utterance without any, the one that it reads is masked.
    lengths_B = jnp.maximum(is_valid.sum(axis=(1, 2)), 1).astype(jnp.int32)
    # On padding cuDNN promises nothing, neither of outputs nor of slopes.
    x_BxTxD = jnp.where(is_valid, x_BxTxD, 0)
    weights = packed(kernels_DxG, recurrents_HxG, biases_G).astype(jnp.float32)
    y_BxTxE = _layer(x_BxTxD.astype(jnp.float32), weights, lengths_B, hidden, _is_precise())
    return jnp.where(is_valid, y_BxTxE, 0).astype(x_BxTxD.dtype)


def packed(
    kernels_DxG: Sequence[jax.Array],
    recurrents_HxG: Sequence[jax.Array],
    biases_G: Sequence[jax.Array],
) -> jax.Array:
    """All weights in one vector, as `rnn.unpack_lstm_weights` reads it."""
    parts = []
    for kernel, recurrent in zip(kernels_DxG, recurrents_HxG, strict=True):
        parts += [kernel.T, recurrent.T]
    # cuDNN has a second bias, for the recurrent product.
    for bias in biases_G:
        parts += [bias, jnp.zeros_like(bias)]
    return jnp.concatenate([part.reshape(-1) for part in parts])


def _is_precise() -> bool:
    """Whether products are to be in full float32, and not in TF32."""
    asked = str(jax.config.jax_default_matmul_precision).lower()
    return asked in ("float32", "highest", "f32_f32_f32")


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _layer(
    x_BxTxD: jax.Array, weights: jax.Array, lengths_B: jax.Array, hidden: int, precise: bool
) -> jax.Array:
    return _forward(x_BxTxD, weights, lengths_B, hidden, precise)[0]


def _forward(
    x_BxTxD: jax.Array, weights: jax.Array, lengths_B: jax.Array, hidden: int, precise: bool
) -> tuple:
    # JAX's layer has no rule for vmap: members of a population take turns.
    @jax.custom_batching.sequential_vmap
    def run(x_BxTxD: jax.Array, weights: jax.Array, lengths_B: jax.Array) -> tuple:
        zeros_2xBxH = jnp.zeros((2, x_BxTxD.shape[0], hidden))
        sizes = _sizes(x_BxTxD, hidden, precise)
        (y, _, _), kept = rnn.lstm_fwd(
            x_BxTxD, zeros_2xBxH, zeros_2xBxH, weights, lengths_B, *sizes
        )
        return y, kept

    return run(x_BxTxD, weights, lengths_B)


def _backward(hidden: int, precise: bool, kept: tuple, slopes_BxTxE: jax.Array) -> tuple:
    @jax.custom_batching.sequential_vmap
    def run(kept: tuple, slopes_BxTxE: jax.Array) -> tuple:
        x_BxTxD, last_2xBxH = kept[0], jnp.zeros_like(kept[1])
        slopes = (slopes_BxTxE, last_2xBxH, last_2xBxH)  # nothing reads the last states
        found = rnn.lstm_bwd(*_sizes(x_BxTxD, hidden, precise), kept, slopes)
        return found[0], found[3]

    return *run(kept, slopes_BxTxE), None


def _sizes(x_BxTxD: jax.Array, hidden: int, precise: bool) -> tuple:
    """Features, width, layers, dropout, both directions, precision: what JAX asks for."""
    # HIGH is TF32. Asked for nothing, JAX would read its default, which may be one that it refuses.
    precision = jax.lax.Precision.HIGHEST if precise else jax.lax.Precision.HIGH
    return x_BxTxD.shape[-1], hidden, 1, 0.0, True, precision


_layer.defvjp(_forward, _backward)
