"""The parts of encoder and decoder: residual branches, attention and a position-wise layer.

Shape suffixes: B batch, T positions of queries, S positions of keys, N = B * T, D model width,
F hidden width, H heads, K width of a head.
"""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from workloads.layers import Dense

KeysValues = tuple[jax.Array, jax.Array]
Drop = Callable[[jax.Array], jax.Array]  # dropout at the rate of the call, or the identity

_ACTIVATIONS = {"relu": nn.relu, "tanh": nn.tanh}


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """Sizes and switches of the model; the defaults are AlgoPerf's, i.e. the full scale.

    Attributes:
      row_len: tokens in a packed row of training.
      sentence_len: tokens of the longest sentence that is decoded, its end included.
      dropout_rate: of embeddings, of the hidden units of MLPs and of residual branches, where
        training gives no other.
      post_ln: layer norm after each residual sum (Vaswani et al. 2017); False puts it on the branch
        and one at the end of each stack (Xiong et al. 2020).
      attention_temp: attention scores are multiplied by it.
      glu: the hidden layer is multiplied by a second, linear one (Shazeer 2020).
      eos: the token that ends a sentence.
      dtype: see `workloads.layers`; products of the output layer are of it too.
      loss_chunk: in training, positions of every row whose logits exist at a time: the loss makes
        them, and again in the backward pass, in place of the model. 0 for all, made by the model.
    """

    vocab_size: int = 32_000
    row_len: int = 256
    sentence_len: int = 256
    d_model: int = 1024
    num_heads: int = 16
    num_layers: int = 6
    mlp_hidden: int = 1024
    dropout_rate: float = 0.1
    post_ln: bool = False
    attention_temp: float = 1.0
    activation: str = "relu"
    glu: bool = False
    dtype: str = "float32"
    loss_chunk: int = 32
    # Not shown by repr, which keys the calibration: no step takes longer for it.
    eos: int = dataclasses.field(default=2, repr=False)


class Residual(nn.Module):
    """The two ends of a branch of the residual stream, and its layer norm."""

    config: TransformerConfig

    def setup(self) -> None:
        self.layernorm = layer_norm(self.config)

    def enter(self, x_BxTxD: jax.Array) -> jax.Array:
        return x_BxTxD if self.config.post_ln else self.layernorm(x_BxTxD)

    def leave(self, x_BxTxD: jax.Array, branch_BxTxD: jax.Array) -> jax.Array:
        y_BxTxD = x_BxTxD + branch_BxTxD
        return self.layernorm(y_BxTxD) if self.config.post_ln else y_BxTxD


class Attention(nn.Module):
    """Multi-head attention without biases; keys and values are computed apart, to be kept."""

    config: TransformerConfig

    def setup(self) -> None:
        cfg = self.config
        self.query, self.key, self.value, self.out = (
            _dense(cfg, cfg.d_model, use_bias=False) for _ in range(4)
        )

    def keys_values(self, x_BxSxD: jax.Array) -> KeysValues:
        """Keys and values, each (B, H, S, K)."""
        return self._heads(self.key, x_BxSxD), self._heads(self.value, x_BxSxD)

    def __call__(
        self, x_BxTxD: jax.Array, keys_values: KeysValues, mask_BxTxS: jax.Array
    ) -> jax.Array:
        q_BxHxTxK = self._heads(self.query, x_BxTxD)
        k_BxHxSxK, v_BxHxSxK = keys_values
        # Scaling the queries is cheaper than scaling the scores, of which there are more.
        scale = self.config.attention_temp * q_BxHxTxK.shape[-1] ** -0.5
        scores_BxHxTxS = jnp.einsum("bhtk,bhsk->bhts", q_BxHxTxK * scale, k_BxHxSxK)
        scores_BxHxTxS = jnp.where(mask_BxTxS[:, None], scores_BxHxTxS.astype(jnp.float32), -1e30)
        weights_BxHxTxS = jax.nn.softmax(scores_BxHxTxS).astype(v_BxHxSxK.dtype)
        y_BxHxTxK = jnp.einsum("bhts,bhsk->bhtk", weights_BxHxTxS, v_BxHxSxK)
        return flat(self.out, y_BxHxTxK.swapaxes(1, 2).reshape(x_BxTxD.shape))

    def _heads(self, dense: nn.Dense, x_BxTxD: jax.Array) -> jax.Array:
        heads = (*x_BxTxD.shape[:2], self.config.num_heads, -1)
        return flat(dense, x_BxTxD).reshape(heads).swapaxes(1, 2)


class MLP(nn.Module):
    """Position-wise layer, gated or not."""

    config: TransformerConfig

    @nn.compact
    def __call__(self, x_BxTxD: jax.Array, drop: Drop) -> jax.Array:
        cfg = self.config
        hidden = _dense(cfg, cfg.mlp_hidden, "hidden")
        h_BxTxF = _ACTIVATIONS[cfg.activation](flat(hidden, x_BxTxD))
        if cfg.glu:
            h_BxTxF *= flat(_dense(cfg, cfg.mlp_hidden, "gate"), x_BxTxD)
        return flat(_dense(cfg, cfg.d_model, "output"), drop(h_BxTxF))


def flat(layer: Callable[[jax.Array], jax.Array], x_BxTxD: jax.Array) -> jax.Array:
    """`layer` of (B, T, D) applied to tokens in one axis, (B * T, D)."""
    # XLA's CPU backend is much slower in the backward pass of matrix products on (B, T, D) arrays.
    y_NxF = layer(x_BxTxD.reshape(-1, x_BxTxD.shape[-1]))
    return y_NxF.reshape(*x_BxTxD.shape[:2], -1)


def layer_norm(cfg: TransformerConfig, name: str | None = None) -> nn.Module:
    """Layer norm with AlgoPerf's epsilon."""
    return nn.LayerNorm(epsilon=1e-6, dtype=cfg.dtype, name=name)


def _dense(
    cfg: TransformerConfig, features: int, name: str | None = None, use_bias: bool = True
) -> nn.Module:
    return Dense(
        features,
        dtype=cfg.dtype,
        use_bias=use_bias,
        # AlgoPerf's initialisation; linen's default is LeCun's, with zero biases.
        kernel_init=nn.initializers.xavier_uniform(),
        bias_init=nn.initializers.normal(1e-6),
        name=name,
    )
