"""A decoder-only transformer language model with rotary positions and tied embeddings.

Shape suffixes: B batch, T sequence, N = B * T, D model width, F hidden width, H heads,
K width of a head, V vocabulary.
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from workloads import platform
from workloads.layers import Embed, recomputed
from workloads.losses import Unembedding

METHODS = ("auto", "einsum", "cudnn")  # of attention

_EPS = 1e-6
_INIT_STD = 0.02


@dataclasses.dataclass(frozen=True)
class LMConfig:
    """Sizes and switches of the model; the defaults are AlgoPerf's, i.e. the full scale.

    Attributes:
      dtype: see `workloads.layers`; products of the output layer are of it too.
      scale_dtype: of the learned scales of attention, the only parameters that are not float32.
      remat: whether attention is computed again in the backward pass, which otherwise needs
        scores of all pairs of positions.
      qk_norm: unit-length queries and keys with one learned scale per layer (Henry et al. 2020);
        False divides by sqrt(head width) instead.
      rotary: rotary positions (Su et al. 2021); False adds a learned embedding of each position.
      gated_mlp: a gated linear unit (Dauphin et al. 2017); False is a plain ReLU layer of the same
        hidden width.
      attention: how scores and averages are computed, one of `METHODS`.
      loss_chunk: positions of every sequence whose logits exist at a time: the loss makes them,
        and again in the backward pass, in place of the model. 0 for all, made by the model.
      width_multiplier: d_model over that of the base model whose hyperparameters are to be kept
        (muP: Yang et al. 2022, arXiv 2203.03466, table 8). Matrices start smaller by its square
        root, logits are divided by it, `learning_rate_multipliers` follow it.
      head_multiplier: width of a head over the base model's; makes scores without qk_norm fall
        as 1 / head width.
      embedding_multiplier: factor on what the embeddings give (12 in arXiv 2408.13359).
      residual_multiplier: factor on each residual branch (0.22 to 0.28 there).
    """

    vocab_size: int = 50_257
    seq_len: int = 1024
    d_model: int = 1024
    num_heads: int = 8
    num_layers: int = 12
    mlp_hidden: int = 4096
    rope_theta: float = 500_000.0
    dtype: str = "bfloat16"
    scale_dtype: str = "bfloat16"
    qk_norm: bool = True
    rotary: bool = True
    gated_mlp: bool = True
    remat: bool = True
    attention: str = "auto"
    loss_chunk: int = 64
    # Not shown by repr, which keys the calibration: they change no step's time.
    width_multiplier: float = dataclasses.field(default=1.0, repr=False)
    head_multiplier: float = dataclasses.field(default=1.0, repr=False)
    embedding_multiplier: float = dataclasses.field(default=1.0, repr=False)
    residual_multiplier: float = dataclasses.field(default=1.0, repr=False)


class DecoderLM(nn.Module):
    """Logits (B, T, V) in float32 of the token that follows each position of `tokens_BxT`.

    With a `loss_chunk`, what they are made of (`losses.Unembedding`).
    """

    config: LMConfig

    @nn.compact
    def __call__(
        self, tokens_BxT: jax.Array, train: bool, dropout_rate: jax.Array | float
    ) -> jax.Array | Unembedding:
        del train, dropout_rate  # neither batch norm nor dropout
        cfg = self.config
        # One axis N = B * T outside attention, since XLA's CPU backend is much slower in the
        # backward pass of matrix products on (B, T, D) arrays.
        token_embed = _embed(cfg, cfg.vocab_size, "token_embed")
        x_NxD = token_embed(tokens_BxT.reshape(-1))
        if not cfg.rotary:
            positions_N = jnp.tile(jnp.arange(tokens_BxT.shape[1]), tokens_BxT.shape[0])
            x_NxD += _embed(cfg, cfg.seq_len, "position_embed")(positions_N)
        x_NxD = _times(x_NxD, cfg.embedding_multiplier)

        # Flash attention keeps no scores, so there is nothing to save by computing it again.
        is_flash = _is_flash(cfg.dtype, cfg.d_model // cfg.num_heads, cfg.attention)

        def attend(attention: nn.Module, h_NxD: jax.Array) -> jax.Array:
            return attention(h_NxD, tokens_BxT.shape)

        for layer in range(cfg.num_layers):
            h_NxD = _rms_norm(cfg, f"attention_norm_{layer}")(x_NxD)
            attention = CausalAttention(cfg, name=f"attention_{layer}")
            y_NxD = recomputed(attention, attend, h_NxD, cfg.remat and not is_flash)
            x_NxD += _times(y_NxD, cfg.residual_multiplier)
            h_NxD = _rms_norm(cfg, f"mlp_norm_{layer}")(x_NxD)
            y_NxD = MLP(cfg, name=f"mlp_{layer}")(h_NxD)
            x_NxD += _times(y_NxD, cfg.residual_multiplier)
        x_NxD = _times(_rms_norm(cfg, "final_norm")(x_NxD), 1 / cfg.width_multiplier)
        if cfg.loss_chunk:
            return Unembedding(x_NxD.reshape(*tokens_BxT.shape, -1), token_embed.embedding)
        logits_NxV = token_embed.attend(x_NxD)
        return logits_NxV.reshape(*tokens_BxT.shape, -1).astype(jnp.float32)


class CausalAttention(nn.Module):
    """Multi-head self-attention in which a position sees itself and what came before."""

    config: LMConfig

    @nn.compact
    def __call__(self, x_NxD: jax.Array, shape_BxT: tuple[int, int]) -> jax.Array:
        cfg = self.config
        heads = (*shape_BxT, cfg.num_heads, cfg.d_model // cfg.num_heads)
        q_BxHxTxK, k_BxHxTxK, v_BxHxTxK = (
            _dense(cfg, cfg.d_model, name)(x_NxD).reshape(heads).swapaxes(1, 2)
            for name in ("query", "key", "value")
        )
        if cfg.rotary:
            q_BxHxTxK, k_BxHxTxK = (rotate(x, cfg.rope_theta) for x in (q_BxHxTxK, k_BxHxTxK))
        # With qk_norm muP has nothing left to do: the cosine of two vectors is their product over
        # their lengths, which grow with the head width, and no width changes the learned scale.
        if cfg.qk_norm:
            qk_norm = QueryKeyNorm(cfg.seq_len, cfg.scale_dtype, name="qk_norm")
            q_BxHxTxK, k_BxHxTxK = qk_norm(q_BxHxTxK, k_BxHxTxK)
        else:
            q_BxHxTxK *= (heads[-1] * cfg.head_multiplier) ** -0.5
        y_BxHxTxK = causal_attention(q_BxHxTxK, k_BxHxTxK, v_BxHxTxK, cfg.attention)
        return _residual_dense(cfg, "out")(y_BxHxTxK.swapaxes(1, 2).reshape(x_NxD.shape))


class QueryKeyNorm(nn.Module):
    """Unit-length queries and keys, queries times a learned scale that starts at log2(T^2 - T)."""

    seq_len: int
    dtype: str

    @nn.compact
    def __call__(self, q: jax.Array, k: jax.Array) -> tuple[jax.Array, jax.Array]:
        start = float(np.log2(self.seq_len**2 - self.seq_len))
        # In bfloat16 the parameter itself is rounded: at T = 1024 it starts at 20, as AlgoPerf's.
        scale = self.param("scale", nn.initializers.constant(start), (), jnp.dtype(self.dtype))
        return (_unit(q) * scale).astype(q.dtype), _unit(k).astype(k.dtype)


class MLP(nn.Module):
    """Position-wise layer: a gated linear unit, or plain ReLU."""

    config: LMConfig

    @nn.compact
    def __call__(self, x_NxD: jax.Array) -> jax.Array:
        cfg = self.config
        if cfg.gated_mlp:
            # Values and gates are one matrix, since optimizers of matrices treat each as a whole.
            h_NxF = nn.glu(_dense(cfg, 2 * cfg.mlp_hidden, "up")(x_NxD))
        else:
            h_NxF = nn.relu(_dense(cfg, cfg.mlp_hidden, "up")(x_NxD))
        return _residual_dense(cfg, "down")(h_NxF)


def rotate(x_BxHxTxK: jax.Array, theta: float) -> jax.Array:
    """Queries or keys turned by position t: pair (i, i + K/2) by the angle t * theta^(-2i/K)."""
    half = x_BxHxTxK.shape[-1] // 2
    frequencies = theta ** (-np.arange(half) / half)
    angles_TxK = np.outer(np.arange(x_BxHxTxK.shape[2]), frequencies)
    cos, sin = np.cos(angles_TxK).astype(np.float32), np.sin(angles_TxK).astype(np.float32)
    x1, x2 = jnp.split(x_BxHxTxK.astype(jnp.float32), 2, axis=-1)
    turned = jnp.concatenate([x1 * cos - x2 * sin, x2 * cos + x1 * sin], axis=-1)
    return turned.astype(x_BxHxTxK.dtype)


def causal_attention(
    q_BxHxTxK: jax.Array, k_BxHxTxK: jax.Array, v_BxHxTxK: jax.Array, method: str = "einsum"
) -> jax.Array:
    """Values (B, H, T, K) averaged under softmax(q k^T), later positions left out; no scaling.

    Args:
      method: "einsum" keeps all scores; "cudnn" none (FlashAttention, Dao et al. 2022), on NVIDIA's
        GPUs and in bfloat16; "auto" is cuDNN where it can be.

    Raises:
      ValueError: if there is no such method, or no cuDNN for it.
    """
    if _is_flash(q_BxHxTxK.dtype, q_BxHxTxK.shape[-1], method):
        q, k, v = (x.swapaxes(1, 2) for x in (q_BxHxTxK, k_BxHxTxK, v_BxHxTxK))
        y_BxTxHxK = jax.nn.dot_product_attention(
            q, k, v, scale=1.0, is_causal=True, implementation="cudnn"
        )
        return y_BxTxHxK.swapaxes(1, 2)
    # The softmax is computed in float32 even where products are in bfloat16.
    scores_BxHxTxT = jnp.einsum("bhtk,bhsk->bhts", q_BxHxTxK, k_BxHxTxK).astype(jnp.float32)
    seen_TxT = np.tril(np.ones(scores_BxHxTxT.shape[-2:], bool))
    weights_BxHxTxT = jax.nn.softmax(jnp.where(seen_TxT, scores_BxHxTxT, -1e30))
    return jnp.einsum("bhts,bhsk->bhtk", weights_BxHxTxT.astype(v_BxHxTxK.dtype), v_BxHxTxK)


def _is_flash(dtype: Any, width: int, method: str) -> bool:
    """Whether cuDNN computes attention of heads of `width`."""
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r} of attention; expected one of {METHODS}")
    # Head widths that cuDNN takes on every card since Ampere.
    fits = jnp.dtype(dtype) in (jnp.bfloat16, jnp.float16) and width % 8 == 0 and width <= 128
    is_possible = fits and platform.has_cudnn()
    if method == "cudnn" and not is_possible:
        raise ValueError(
            "attention by method 'cudnn' needs an NVIDIA GPU, bfloat16 and heads of a width up to "
            f"128 that 8 divides; these are {jnp.dtype(dtype)} of width {width} on "
            f"{jax.devices()[0].device_kind!r}; use method 'auto'"
        )
    return method != "einsum" and is_possible


def _times(x: jax.Array, factor: float) -> jax.Array:
    """The product; `x` itself for 1, so that the base model's program stays what it is."""
    return x if factor == 1 else x * factor


def _unit(x: jax.Array) -> jax.Array:
    x = x.astype(jnp.float32)
    return x * jax.lax.rsqrt(jnp.square(x).sum(axis=-1, keepdims=True) + _EPS)


def _embed(cfg: LMConfig, size: int, name: str) -> nn.Embed:
    init = nn.initializers.normal(_INIT_STD)
    return Embed(size, cfg.d_model, dtype=cfg.dtype, embedding_init=init, name=name)


def _rms_norm(cfg: LMConfig, name: str) -> nn.Module:
    return nn.RMSNorm(epsilon=_EPS, dtype=cfg.dtype, name=name)


def _dense(cfg: LMConfig, features: int, name: str, std: float = _INIT_STD) -> nn.Module:
    init = nn.initializers.normal(std / cfg.width_multiplier**0.5)
    return nn.Dense(features, use_bias=False, dtype=cfg.dtype, kernel_init=init, name=name)


def _residual_dense(cfg: LMConfig, name: str) -> nn.Module:
    return _dense(cfg, cfg.d_model, name, std=_INIT_STD / (2 * cfg.num_layers) ** 0.5)
