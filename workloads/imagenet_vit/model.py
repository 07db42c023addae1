"""A vision transformer (Dosovitskiy et al. 2021; Beyer et al. 2022, "Better plain ViT baselines").

Shape suffixes: B batch, T patches of a picture, N = B * T, D model width, F hidden width,
H heads, K width of a head.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from workloads.layers import Dense, Dropout, lecun_normal, recomputed

_xavier = nn.initializers.xavier_uniform()


@dataclasses.dataclass(frozen=True)
class ViTConfig:
    """Sizes and switches; the defaults are AlgoPerf's, a ViT-S/16, i.e. the full scale.

    Attributes:
      gated_mlp: a second hidden layer reads the first and multiplies it.
      post_ln: normalise after each residual sum instead of before each layer.
      attention_pooling: a learned probe attends to the patches; False averages them.
      dropout_rate: where `model_fn` is given no rate.
      dtype: see `workloads.layers`.
      remat: whether the blocks' attention is computed again in the backward pass.
    """

    image_size: int = 224
    num_classes: int = 1000
    patch_size: int = 16
    d_model: int = 384
    num_layers: int = 12
    num_heads: int = 6
    mlp_hidden: int = 1536
    gated_mlp: bool = False
    post_ln: bool = False
    attention_pooling: bool = False
    dropout_rate: float = 0.0
    dtype: str = "float32"
    remat: bool = True


class ViT(nn.Module):
    """Logits (B, classes) of standardised pictures; patches are one axis N = B * T."""

    config: ViTConfig

    @nn.compact
    def __call__(
        self, x_BxHxWxC: jax.Array, train: bool, dropout_rate: jax.Array | float
    ) -> jax.Array:
        cfg = self.config
        batch, size = len(x_BxHxWxC), cfg.image_size // cfg.patch_size
        # One axis outside attention, since XLA's CPU backend is much slower in the backward pass
        # of matrix products on (B, T, D) arrays.
        patches = ConvPatches(cfg.d_model, cfg.patch_size, cfg.dtype, name="conv_patches")
        positions_TxD = sincos_positions(size, cfg.d_model).astype(cfg.dtype)
        x_NxD = patches(x_BxHxWxC) + jnp.tile(positions_TxD, (batch, 1))
        x_NxD = Dropout()(x_NxD, dropout_rate, not train)
        for layer in range(cfg.num_layers):
            x_NxD = Block(cfg, name=f"block_{layer}")(x_NxD, batch, train, dropout_rate)
        # Under `post_ln` the last block has normalised already, and AlgoPerf adds nothing to it.
        if not cfg.post_ln:
            x_NxD = nn.LayerNorm(dtype=cfg.dtype, name="final_norm")(x_NxD)
        if cfg.attention_pooling:
            x_BxD = AttentionPooling(cfg, name="pooling")(x_NxD, batch)
        else:
            x_BxD = x_NxD.reshape(batch, -1, cfg.d_model).mean(axis=1, dtype=jnp.float32)
        x_BxD = jnp.tanh(nn.Dense(cfg.d_model, name="pre_logits")(x_BxD))
        # A head of zeros starts at even odds for all classes.
        return nn.Dense(cfg.num_classes, kernel_init=nn.initializers.zeros, name="head")(x_BxD)


class ConvPatches(nn.Module):
    """A convolution over patches that do not overlap, as the matrix product that it is: (N, D)."""

    features: int
    patch_size: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x_BxHxWxC: jax.Array) -> jax.Array:
        batch, height, width, channels = x_BxHxWxC.shape
        p = self.patch_size
        shape = (p, p, channels, self.features)
        kernel = self.param("kernel", lecun_normal, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        # The kernel keeps a convolution's shape: its parameter type and its fans depend on it.
        patches = x_BxHxWxC.reshape(batch, height // p, p, width // p, p, channels)
        patches_NxP = patches.swapaxes(2, 3).reshape(-1, p * p * channels).astype(self.dtype)
        kernel_PxD = kernel.reshape(-1, self.features).astype(self.dtype)
        return (patches_NxP @ kernel_PxD + bias).astype(self.dtype)


class Block(nn.Module):
    """Self-attention, then an MLP; each adds to its input."""

    config: ViTConfig

    @nn.compact
    def __call__(
        self, x_NxD: jax.Array, batch: int, train: bool, dropout_rate: jax.Array | float
    ) -> jax.Array:
        cfg = self.config
        attention, mlp = Attention(cfg, name="attention"), MLP(cfg, name="mlp")
        layers = {
            "attention_norm": lambda x: recomputed(
                attention, lambda layer, x: layer(x, x, batch), x, cfg.remat
            ),
            "mlp_norm": lambda x: mlp(x, train, dropout_rate),
        }
        for name, layer in layers.items():
            norm = nn.LayerNorm(dtype=cfg.dtype, name=name)
            y_NxD = Dropout()(layer(x_NxD if cfg.post_ln else norm(x_NxD)), dropout_rate, not train)
            x_NxD = norm(x_NxD + y_NxD) if cfg.post_ln else x_NxD + y_NxD
        return x_NxD


class Attention(nn.Module):
    """Multi-head attention (NQ, D) of queries to the patches of their own pictures."""

    config: ViTConfig

    @nn.compact
    def __call__(self, queries_QxD: jax.Array, x_NxD: jax.Array, batch: int) -> jax.Array:
        cfg = self.config
        heads = (batch, -1, cfg.num_heads, cfg.d_model // cfg.num_heads)

        def project(x: jax.Array, name: str) -> jax.Array:
            dense = Dense(cfg.d_model, dtype=cfg.dtype, kernel_init=_xavier, name=name)
            return dense(x).reshape(heads)

        q_BxQxHxK = project(queries_QxD, "query") * heads[-1] ** -0.5
        k_BxTxHxK, v_BxTxHxK = project(x_NxD, "key"), project(x_NxD, "value")
        scores_BxHxQxT = jnp.einsum("bqhk,bthk->bhqt", q_BxQxHxK, k_BxTxHxK).astype(jnp.float32)
        weights_BxHxQxT = jax.nn.softmax(scores_BxHxQxT).astype(v_BxTxHxK.dtype)
        y_BxQxHxK = jnp.einsum("bhqt,bthk->bqhk", weights_BxHxQxT, v_BxTxHxK)
        out = Dense(cfg.d_model, dtype=cfg.dtype, kernel_init=_xavier, name="out")
        return out(y_BxQxHxK.reshape(queries_QxD.shape))


class MLP(nn.Module):
    """Position-wise GELU layer, gated or not."""

    config: ViTConfig

    @nn.compact
    def __call__(self, x_NxD: jax.Array, train: bool, dropout_rate: jax.Array | float) -> jax.Array:
        cfg = self.config
        h_NxF = nn.gelu(_dense(cfg, cfg.mlp_hidden, "up")(x_NxD))
        if cfg.gated_mlp:
            h_NxF *= _dense(cfg, cfg.mlp_hidden, "gate")(h_NxF)
        h_NxF = Dropout()(h_NxF, dropout_rate, not train)
        return _dense(cfg, cfg.d_model, "down")(h_NxF)


class AttentionPooling(nn.Module):
    """One vector (B, D) per picture: a learned probe attends to its patches, then an MLP."""

    config: ViTConfig

    @nn.compact
    def __call__(self, x_NxD: jax.Array, batch: int) -> jax.Array:
        cfg = self.config
        probe = self.param("probe", _xavier, (1, 1, cfg.d_model))
        probe_BxD = jnp.tile(probe[0], (batch, 1)).astype(cfg.dtype)
        x_BxD = Attention(cfg, name="attention")(probe_BxD, x_NxD, batch)
        y_BxD = nn.LayerNorm(dtype=cfg.dtype, name="mlp_norm")(x_BxD)
        # Gates are for the blocks alone. So is dropout, in AlgoPerf: its targets rest on that.
        mlp = MLP(dataclasses.replace(cfg, gated_mlp=False), name="mlp")
        return x_BxD + mlp(y_BxD, train=False, dropout_rate=0.0)


def sincos_positions(size: int, d_model: int) -> np.ndarray:
    """Fixed position of each patch of a `size` x `size` grid, (T, D): sines and cosines of x, y."""
    omega = 10_000.0 ** -np.linspace(0, 1, d_model // 4)
    y_TxO, x_TxO = (np.outer(grid.ravel(), omega) for grid in np.mgrid[:size, :size])
    waves = [np.sin(x_TxO), np.cos(x_TxO), np.sin(y_TxO), np.cos(y_TxO)]
    return np.concatenate(waves, axis=1).astype(np.float32)


def _dense(cfg: ViTConfig, features: int, name: str) -> nn.Dense:
    bias_init = nn.initializers.normal(1e-6)
    return Dense(features, dtype=cfg.dtype, kernel_init=_xavier, bias_init=bias_init, name=name)
