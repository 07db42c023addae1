"""DLRM-small: one shared embedding table, dot interactions and two MLPs predict a click."""

import dataclasses
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from workloads.criteo1tb.data import NUM_DENSE
from workloads.layers import Dense, Dropout


@dataclasses.dataclass(frozen=True)
class DLRMConfig:
    """Sizes and switches; the defaults are the lite scale.

    Attributes:
      table_rows: rows of the table that all categorical columns share; ids count modulo this.
      bottom, top: widths of the two MLPs of ReLU layers; `bottom` ends in `embed_dim`, `top` in 1.
      embed_init_scale: embeddings start uniform in [0, scale); None is 1 / sqrt(table_rows).
      layer_norm: normalise after every hidden layer and the embeddings.
      resnet: residual MLPs of `resnet_width` (3 layers below; 4 above, then 1) in place of
        `bottom` and `top`, and concatenated embeddings in place of dot interactions.
      dropout_rate: of the units of the last hidden layer, where `model_fn` is given no rate.
      dtype: see `workloads.layers`.
    """

    table_rows: int = 16_384
    embed_dim: int = 16
    bottom: tuple[int, ...] = (64, 32, 16)
    top: tuple[int, ...] = (64, 32, 1)
    embed_init_scale: float | None = None
    layer_norm: bool = False
    resnet: bool = False
    resnet_width: int = 64
    dropout_rate: float = 0.0
    dtype: str = "float32"

    @property
    def widths(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Widths of the bottom and of the top MLP."""
        if self.resnet:
            return (self.resnet_width,) * 3, (self.resnet_width,) * 4 + (1,)
        return self.bottom, self.top


class DLRM(nn.Module):
    """Click logits (B,) of inputs (B, 39): 13 counts, then 26 categorical ids, all float32."""

    config: DLRMConfig

    @nn.compact
    def __call__(self, x_BxC: jax.Array, train: bool, dropout_rate: jax.Array | float) -> jax.Array:
        config = self.config
        counts_BxN, ids_BxK = jnp.split(x_BxC, [NUM_DENSE], axis=1)
        dense_BxD = self._bottom(log_counts(counts_BxN))
        embedded_BxKxD = self._embed(ids_BxK.astype(jnp.int32))
        if config.resnet:
            x = jnp.concatenate([dense_BxD, embedded_BxKxD.reshape(len(x_BxC), -1)], axis=1)
        else:
            features_BxFxD = jnp.concatenate([dense_BxD[:, None], embedded_BxKxD], axis=1)
            x = jnp.concatenate([dense_BxD, dot_interactions(features_BxFxD)], axis=1)
        return self._top(x, dropout_rate, deterministic=not train)[:, 0]

    def _embed(self, ids_BxK: jax.Array) -> jax.Array:
        rows, scale = self.config.table_rows, self.config.embed_init_scale
        # One table for all columns, as in AlgoPerf: ids are hashes, and collisions are part of it.
        init = nn.initializers.uniform(1.0 / math.sqrt(rows) if scale is None else scale)
        table = self.param("embedding_table", init, (rows, self.config.embed_dim))
        # Rounded once looked up: the gradients of a row are summed in float32.
        return self._norm(table[ids_BxK % rows].astype(self.config.dtype))

    def _bottom(self, x: jax.Array) -> jax.Array:
        for i, width in enumerate(self.config.widths[0]):
            bias_init = nn.initializers.normal(math.sqrt(1.0 / width))
            dense = Dense(
                width,
                dtype=self.config.dtype,
                kernel_init=nn.initializers.glorot_uniform(),
                bias_init=bias_init,
            )
            y = self._hidden(x, dense)
            x = x + y if self.config.resnet and i > 0 else y
        return x

    def _top(self, x: jax.Array, dropout_rate: jax.Array | float, deterministic: bool) -> jax.Array:
        *hidden, last = self.config.widths[1]
        for i, width in enumerate(hidden):
            y = self._hidden(x, _top_dense(x, width, dtype=self.config.dtype))
            # The last hidden layer drops its own units, not the stream that they are added to.
            if i == len(hidden) - 1:
                y = Dropout()(y, dropout_rate, deterministic)
            x = x + y if self.config.resnet and i > 0 else y
        return _top_dense(x, last, name="output")(x)

    def _hidden(self, x: jax.Array, dense: nn.Dense) -> jax.Array:
        return self._norm(nn.relu(dense(x)))

    def _norm(self, x: jax.Array) -> jax.Array:
        return nn.LayerNorm(dtype=self.config.dtype)(x) if self.config.layer_norm else x


def log_counts(counts: jax.Array) -> jax.Array:
    """log(relu(x) + 1) of raw counts: tames heavy tails; a missing count (-1) reads as zero."""
    return jnp.log1p(nn.relu(counts))


def dot_interactions(features_BxFxD: jax.Array) -> jax.Array:
    """Dot products of all pairs of features, a feature with itself included: (B, F (F + 1) / 2)."""
    num_features = features_BxFxD.shape[1]
    # The product is symmetric, so half of it is all there is to know.
    gram_BxFxF = jnp.einsum("bfd,bgd->bfg", features_BxFxD, features_BxFxD)
    rows, columns = np.triu_indices(num_features)
    return gram_BxFxF[:, rows, columns]


def _top_dense(x: jax.Array, width: int, name: str | None = None, dtype: str = "float32") -> Dense:
    """A dense layer with AlgoPerf's normal initialisation of the top MLP."""
    return Dense(
        width,
        dtype=dtype,
        kernel_init=nn.initializers.normal(math.sqrt(2.0 / (x.shape[-1] + width))),
        bias_init=nn.initializers.normal(math.sqrt(1.0 / width)),
        name=name,
    )
