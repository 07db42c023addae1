"""Layers that both speech models use; batch norm sees valid frames alone.

Shape suffixes: B batch, S samples, T frames, N = B * T, F mel bins, D features. Lengths count
valid frames.
"""

import math
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from workloads.layers import Conv, Dense, Dropout, recomputed
from workloads.librispeech.frontend import FrontendConfig, log_mel, spec_augment

_LAYER_NORM_EPS = 1e-6
_BATCH_NORM_EPS = 1e-3
_PARTS = 4  # of a batch, where convolutions are computed again


def valid_frames(lengths_B: jax.Array, num_frames: int) -> jax.Array:
    """True where a frame lies within its utterance, (B, T)."""
    return np.arange(num_frames) < lengths_B[:, None]


def xavier_uniform(
    key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype = jnp.float32
) -> jax.Array:
    """Uniform numbers of variance 2 / (fan in + fan out), as `nn.initializers.xavier_uniform`."""
    # Drawn flat, since XLA's CPU backend compiles small random arrays of rank 4 for seconds.
    fan_in, fan_out = (size * math.prod(shape[:-2]) for size in shape[-2:])
    limit = math.sqrt(6 / (fan_in + fan_out))
    return jax.random.uniform(key, (math.prod(shape),), dtype, -limit, limit).reshape(shape)


def dense(features: int, dtype: str, name: str | None = None) -> nn.Dense:
    """A dense layer with the initialisation of both models, computing in `dtype`."""
    return Dense(features, dtype=dtype, kernel_init=xavier_uniform, name=name)


class LayerNorm(nn.Module):
    """Layer norm whose scale is 1 + a parameter that starts at 0; float32, whatever comes in."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        scale = self.param("scale", nn.initializers.zeros, x.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        dtype, x = x.dtype, x.astype(jnp.float32)
        x -= x.mean(axis=-1, keepdims=True)
        inverse = jax.lax.rsqrt(jnp.square(x).mean(axis=-1, keepdims=True) + _LAYER_NORM_EPS)
        return (x * inverse * (1 + scale) + bias).astype(dtype)


class BatchNorm(nn.Module):
    """Batch norm over valid frames; scale and precision as in `LayerNorm`."""

    momentum: float

    @nn.compact
    def __call__(self, x_BxTxD: jax.Array, valid_BxT: jax.Array, train: bool) -> jax.Array:
        shape = x_BxTxD.shape[-1:]
        scale = self.param("scale", nn.initializers.zeros, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        running_var = self.variable("batch_stats", "var", jnp.ones, shape)
        dtype, x_BxTxD = x_BxTxD.dtype, x_BxTxD.astype(jnp.float32)
        if train:
            # Without a valid frame there is no mean, and 0 / 0 would end in the running one.
            weight_BxTx1 = valid_BxT[..., None] / jnp.maximum(valid_BxT.sum(), 1)
            mean = (weight_BxTx1 * x_BxTxD).sum(axis=(0, 1))
            var = (weight_BxTx1 * jnp.square(x_BxTxD - mean)).sum(axis=(0, 1))
            if self.is_mutable_collection("batch_stats"):
                for running, new in ((running_mean, mean), (running_var, var)):
                    running.value = self.momentum * running.value + (1 - self.momentum) * new
        else:
            mean, var = running_mean.value, running_var.value
        x = (x_BxTxD - mean) * jax.lax.rsqrt(var + _BATCH_NORM_EPS) * (1 + scale) + bias
        return jnp.where(valid_BxT[..., None], x, 0.0).astype(dtype)


class SpeechInput(nn.Module):
    """Audio to one feature vector from four frames: (B, T, D), and whether frames are valid.

    Log-mel features, SpecAugment in training, two 3x3 convolutions of stride 2, a dense layer.

    Attributes:
      features, channels: widths of the dense layer and of the convolutions.
      activate: follows each convolution.
      dtype: see `workloads.layers`; log-mel features are float32.
      remat: whether `Subsampling` is computed again in the backward pass, a part of the batch at a
        time.
      positions: adds sinusoids that tell the position.
      freq_masks, time_masks: how many, in training.
    """

    frontend: FrontendConfig
    features: int
    channels: int
    positions: bool
    freq_masks: int
    time_masks: int
    activate: Callable[[jax.Array], jax.Array] = nn.relu
    dtype: str = "float32"
    remat: bool = False

    @nn.compact
    def __call__(
        self,
        audio_BxS: jax.Array,
        num_samples_B: jax.Array,
        train: bool,
        dropout_rate: jax.Array | float,
    ) -> tuple[jax.Array, jax.Array]:
        x_BxTxF = log_mel(audio_BxS, self.frontend)
        lengths_B = self.frontend.valid_frames(num_samples_B, audio_BxS.shape[1])
        if train:
            masks = self.freq_masks, self.time_masks
            rng = self.make_rng("dropout")
            x_BxTxF = spec_augment(x_BxTxF, lengths_B, rng, self.frontend, masks)
        convolutions = [
            Conv(self.channels, (3, 3), (2, 2), dtype=self.dtype, kernel_init=xavier_uniform)
            for _ in range(2)
        ]
        layers = Subsampling(convolutions, dense(self.features, self.dtype), self.activate)
        size = len(x_BxTxF)
        # The first convolution makes by far the largest array of the model. Of one part of the
        # batch at a time, it is that much smaller; a batch that does not divide is one part.
        num_parts = _PARTS if self.remat and size % _PARTS == 0 else 1
        parts = zip(jnp.split(x_BxTxF, num_parts), jnp.split(lengths_B, num_parts), strict=True)
        x_NxD = jnp.concatenate(
            [
                recomputed(layers, lambda layers, x, n=lengths: layers(x, n), part, self.remat)
                for part, lengths in parts
            ]
        )
        num_frames, lengths_B = len(x_NxD) // size, -(-lengths_B // 4)
        if self.positions:
            x_NxD += np.tile(sinusoids(num_frames, self.features), (size, 1)).astype(self.dtype)
        x_NxD = Dropout()(x_NxD, dropout_rate, not train)
        return x_NxD.reshape(size, num_frames, -1), valid_frames(lengths_B, num_frames)


class Subsampling(nn.Module):
    """Two 3x3 convolutions of stride 2 and a dense layer: (B, T, F) to (B * T / 4, D).

    The layers, and so their parameters, are those of the module that makes it.
    """

    convolutions: Sequence[nn.Module]
    dense: nn.Module
    activate: Callable[[jax.Array], jax.Array]

    def __call__(self, x_BxTxF: jax.Array, lengths_B: jax.Array) -> jax.Array:
        # As in AlgoPerf, the first convolution hears the silence after an utterance's end.
        x = x_BxTxF[..., None]
        for conv in self.convolutions:
            x = self.activate(conv(x))
            # A frame of stride 2 is valid if the first of its two is. Biases make padding nonzero
            # again, so it is cleared after each layer.
            lengths_B = -(-lengths_B // 2)
            x *= valid_frames(lengths_B, x.shape[1])[..., None, None]
        return self.dense(x.reshape(x.shape[0] * x.shape[1], -1))


def sinusoids(num_positions: int, features: int) -> np.ndarray:
    """Fixed positions (num_positions, features): sines, then cosines (Vaswani et al. 2017)."""
    frequencies = 1e4 ** -(np.arange(features // 2) / max(1, features // 2 - 1))
    angles = np.outer(np.arange(num_positions), frequencies)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)
