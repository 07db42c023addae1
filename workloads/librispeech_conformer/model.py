"""A Conformer encoder (Gulati et al. 2020) on log-mel features.

Shape suffixes: B batch, T frames, D model width, H heads, K width of a head, C convolution taps.
"""

import dataclasses
import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from workloads.layers import Dropout
from workloads.librispeech.frontend import FrontendConfig
from workloads.librispeech.layers import BatchNorm, LayerNorm, SpeechInput, dense, xavier_uniform

Rate = jax.Array | float


@dataclasses.dataclass(frozen=True)
class ConformerConfig:
    """Sizes and switches of the model; the defaults are AlgoPerf's, i.e. the full scale.

    Attributes:
      freq_masks, time_masks: of SpecAugment.
      subsample_channels: of the two convolutions at the bottom.
      attention_temperature: multiplies what attention returns, as in AlgoPerf, where the
        scores stay as they are.
      block_norm: a layer norm at the end of each block.
      gelu: GELU in place of swish.
      dropout_rate: at the input, in feed-forward layers and on all residuals, where `model_fn`
        is given no rate.
      dtype: see `workloads.layers`; products of the output layer are of it too.
      remat: whether what lies below the blocks, whose first convolution is by far the largest
        array, is computed again in the backward pass.
      ctc: how the loss is computed, a method of `ctc.ctc_losses`.
    """

    frontend: FrontendConfig = FrontendConfig()
    freq_masks: int = 2
    time_masks: int = 10
    vocab_size: int = 1024
    d_model: int = 512
    num_heads: int = 8
    num_blocks: int = 4
    mlp_factor: int = 4
    kernel_size: int = 5
    subsample_channels: int = 512
    batch_norm_momentum: float = 0.999
    attention_temperature: float = 1.0
    block_norm: bool = True
    gelu: bool = False
    dropout_rate: float = 0.1
    dtype: str = "float32"
    remat: bool = True
    ctc: str = "auto"

    def activate(self, x: jax.Array) -> jax.Array:
        return nn.gelu(x) if self.gelu else nn.swish(x)


class Conformer(nn.Module):
    """Logits (B, T, vocabulary) and their paddings (B, T) from audio (B, samples)."""

    config: ConformerConfig

    @nn.compact
    def __call__(
        self, audio_BxS: jax.Array, num_samples_B: jax.Array, train: bool, dropout_rate: Rate
    ) -> tuple[jax.Array, jax.Array]:
        cfg = self.config
        listen = SpeechInput(
            cfg.frontend,
            cfg.d_model,
            cfg.subsample_channels,
            positions=True,
            freq_masks=cfg.freq_masks,
            time_masks=cfg.time_masks,
            dtype=cfg.dtype,
            remat=cfg.remat,
        )
        x_BxTxD, valid_BxT = listen(audio_BxS, num_samples_B, train, dropout_rate)
        for i in range(cfg.num_blocks):
            block = ConformerBlock(cfg, name=f"block_{i}")
            x_BxTxD = block(x_BxTxD, valid_BxT, train, dropout_rate)
        flat_NxD = LayerNorm()(x_BxTxD).reshape(-1, cfg.d_model)
        logits = dense(cfg.vocab_size, cfg.dtype, "output")(flat_NxD).astype(jnp.float32)
        logits_BxTxV = logits.reshape(*valid_BxT.shape, cfg.vocab_size)
        return logits_BxTxV, 1.0 - valid_BxT


class ConformerBlock(nn.Module):
    """Half a feed-forward step, attention, convolution, the other half step."""

    config: ConformerConfig

    @nn.compact
    def __call__(
        self, x_BxTxD: jax.Array, valid_BxT: jax.Array, train: bool, dropout_rate: Rate
    ) -> jax.Array:
        cfg, x = self.config, x_BxTxD
        drop = dropout_rate, not train
        x += 0.5 * FeedForward(cfg)(x, *drop)
        x += SelfAttention(cfg, name="attention")(x, valid_BxT, *drop)
        x += Convolution(cfg)(x, valid_BxT, train, dropout_rate)
        x += 0.5 * FeedForward(cfg)(x, *drop)
        return LayerNorm()(x) if cfg.block_norm else x


class FeedForward(nn.Module):
    """Two dense layers on each frame, with dropout after each."""

    config: ConformerConfig

    @nn.compact
    def __call__(self, x_BxTxD: jax.Array, dropout_rate: Rate, deterministic: bool) -> jax.Array:
        cfg = self.config
        x = LayerNorm()(x_BxTxD).reshape(-1, cfg.d_model)
        x = cfg.activate(dense(cfg.mlp_factor * cfg.d_model, cfg.dtype)(x))
        x = dense(cfg.d_model, cfg.dtype)(Dropout()(x, dropout_rate, deterministic))
        return Dropout()(x, dropout_rate, deterministic).reshape(x_BxTxD.shape)


class SelfAttention(nn.Module):
    """Multi-head attention with a learned positive scale for each dimension of the queries."""

    config: ConformerConfig

    @nn.compact
    def __call__(
        self, x_BxTxD: jax.Array, valid_BxT: jax.Array, dropout_rate: Rate, deterministic: bool
    ) -> jax.Array:
        cfg = self.config
        heads = (*valid_BxT.shape, cfg.num_heads, cfg.d_model // cfg.num_heads)
        x_NxD = LayerNorm()(x_BxTxD).reshape(-1, cfg.d_model)
        q, k, v = (
            dense(cfg.d_model, cfg.dtype, name)(x_NxD).reshape(heads).swapaxes(1, 2)
            for name in ("query", "key", "value")
        )
        scale_K = self.param("query_scale", nn.initializers.zeros, heads[-1:])
        # softplus(0) = log 2: queries start divided by the root of the head width.
        q = (q * (nn.softplus(scale_K) / (math.log(2.0) * math.sqrt(heads[-1])))).astype(q.dtype)
        scores_BxHxTxT = jnp.einsum("bhtk,bhsk->bhts", q, k).astype(jnp.float32)
        scores_BxHxTxT = jnp.where(valid_BxT[:, None, None, :], scores_BxHxTxT, -1e9)
        weights_BxHxTxT = jax.nn.softmax(scores_BxHxTxT).astype(v.dtype)
        y = jnp.einsum("bhts,bhsk->bhtk", weights_BxHxTxT, v)
        y *= cfg.attention_temperature
        y_NxD = dense(cfg.d_model, cfg.dtype, "out")(y.swapaxes(1, 2).reshape(x_NxD.shape))
        return Dropout()(y_NxD, dropout_rate, deterministic).reshape(x_BxTxD.shape)


class Convolution(nn.Module):
    """Gated linear unit, convolution over time within each feature, batch norm, dense layer."""

    config: ConformerConfig

    @nn.compact
    def __call__(
        self, x_BxTxD: jax.Array, valid_BxT: jax.Array, train: bool, dropout_rate: Rate
    ) -> jax.Array:
        cfg = self.config
        x_NxD = LayerNorm()(x_BxTxD).reshape(-1, cfg.d_model)
        # Two dense layers are one of twice the width, cut in two: the paper's gated linear unit.
        value, gate = (dense(cfg.d_model, cfg.dtype)(x_NxD) for _ in range(2))
        x_NxD = value * nn.sigmoid(gate)
        # Frames after the end are zero, so that those before it do not depend on the padding.
        x = jnp.where(valid_BxT[..., None], x_NxD.reshape(x_BxTxD.shape), 0.0)
        x = DepthwiseConv(cfg.kernel_size)(x)
        x = cfg.activate(BatchNorm(cfg.batch_norm_momentum)(x, valid_BxT, train))
        x_NxD = dense(cfg.d_model, cfg.dtype)(x.reshape(-1, cfg.d_model))
        return Dropout()(x_NxD, dropout_rate, not train).reshape(x_BxTxD.shape)


class DepthwiseConv(nn.Module):
    """A convolution over time with one kernel per feature, as a sum of shifted products."""

    kernel_size: int

    @nn.compact
    def __call__(self, x_BxTxD: jax.Array) -> jax.Array:
        shape = (self.kernel_size, 1, x_BxTxD.shape[-1])
        kernel_Cx1xD = self.param("kernel", xavier_uniform, shape)
        before = (self.kernel_size - 1) // 2
        after = self.kernel_size - 1 - before
        padded = jnp.pad(x_BxTxD, ((0, 0), (before, after), (0, 0)))
        num_frames = x_BxTxD.shape[1]
        # On a CPU this is faster than the convolution of XLA, above all inside a loop.
        total = sum(
            padded[:, tap : tap + num_frames] * kernel_Cx1xD[tap] for tap in range(self.kernel_size)
        )
        return total.astype(x_BxTxD.dtype)
