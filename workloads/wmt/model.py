"""AlgoPerf's encoder-decoder transformer (Vaswani et al. 2017) for packed sentence pairs.

Shape suffixes: B batch, T positions of queries, S positions or slots of keys, D model width,
H heads, K width of a head, V vocabulary; in decoding N sentences and W beams.
"""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from workloads.layers import Dropout, Embed
from workloads.losses import Unembedding
from workloads.wmt.blocks import (
    MLP,
    Attention,
    Drop,
    KeysValues,
    Residual,
    TransformerConfig,
    flat,
    layer_norm,
)


class Row(NamedTuple):
    """Tokens (B, T), the position of each in its sentence, and its sentence: 0 for padding."""

    tokens: jax.Array
    position: jax.Array
    segment: jax.Array


class Encoded(NamedTuple):
    """The inputs as the decoder needs them: keys and values for each of its layers, segments."""

    keys_values: list[KeysValues]
    segment_BxS: jax.Array


class Transformer(nn.Module):
    """Logits (B, T, V) of each target token given the inputs and the targets before it.

    In training with a `loss_chunk`, what they are made of (`losses.Unembedding`).
    """

    config: TransformerConfig

    def setup(self) -> None:
        cfg = self.config
        init = nn.initializers.normal(1.0)
        self.shared_embedding = Embed(
            cfg.vocab_size, cfg.d_model, dtype=cfg.dtype, embedding_init=init
        )
        self.encoder, self.decoder = Encoder(cfg), Decoder(cfg)
        self.dropout = Dropout()

    def __call__(
        self, inputs: Row, targets: Row, train: bool, dropout_rate: jax.Array | float
    ) -> jax.Array | Unembedding:
        drop = functools.partial(self.dropout, rate=dropout_rate, deterministic=not train)
        encoded = self.encode(inputs, drop)
        # A token sees its own sentence alone: other sentences of a packed row are not there.
        before_TxT = np.tri(targets.tokens.shape[1], dtype=bool)
        visible_BxTxT = _sees(targets.segment, targets.segment) & before_TxT
        x_BxTxD = self._embed(shift_right(targets.tokens), targets.position, drop)
        y_BxTxD, _ = self.decoder(
            x_BxTxD, visible_BxTxT, encoded, _sees(targets.segment, encoded.segment_BxS), drop
        )
        if train and self.config.loss_chunk:
            scaled_BxTxD = y_BxTxD / self.config.d_model**0.5
            return Unembedding(scaled_BxTxD, self.shared_embedding.embedding)
        return self._logits(y_BxTxD)

    def encode(self, inputs: Row, drop: Drop = lambda x: x) -> Encoded:
        x_BxTxD = self._embed(inputs.tokens, inputs.position, drop)
        y_BxTxD = self.encoder(x_BxTxD, _sees(inputs.segment, inputs.segment), drop)
        return Encoded(self.decoder.keys_values(y_BxTxD), inputs.segment)

    def decode_step(
        self,
        tokens_NxW: jax.Array,
        index: jax.Array,
        visible_NxWxS: jax.Array,
        cache: list[KeysValues],
        encoded: Encoded,
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Logits (N, W, V) of what follows `tokens_NxW`, which have position `index`; the cache.

        All beams of a sentence share one cache, in which beam w writes its step t to slot
        t * W + w. Slots never move: `visible_NxWxS` names those in a beam's own past.
        """
        position_NxW = jnp.full(tokens_NxW.shape, index)
        x_NxWxD = self._embed(tokens_NxW, position_NxW, lambda x: x)
        segment_NxW = jnp.ones(tokens_NxW.shape, encoded.segment_BxS.dtype)
        seen_NxWxS = _sees(segment_NxW, encoded.segment_BxS)
        start = index * tokens_NxW.shape[1]
        y_NxWxD, cache = self.decoder(
            x_NxWxD, visible_NxWxS, encoded, seen_NxWxS, lambda x: x, cache, start
        )
        return self._logits(y_NxWxD), cache

    def empty_cache(self, num_sentences: int, beams: int) -> list[KeysValues]:
        """The cache before the first `decode_step`: zeros, which `visible` hides."""
        cfg = self.config
        slots, width = cfg.sentence_len * beams, cfg.d_model // cfg.num_heads
        zeros = jnp.zeros((num_sentences, cfg.num_heads, slots, width), cfg.dtype)
        return [(zeros, zeros) for _ in range(cfg.num_layers)]

    def _embed(self, tokens_BxT: jax.Array, position_BxT: jax.Array, drop: Drop) -> jax.Array:
        cfg = self.config
        # A table for the longer of the two uses, looked up by the position within a sentence.
        positions = max(cfg.row_len, cfg.sentence_len)
        table = jnp.asarray(sinusoids(positions, cfg.d_model), cfg.dtype)
        x_BxTxD = self.shared_embedding(tokens_BxT.astype(jnp.int32))
        return drop(x_BxTxD + table[position_BxT.astype(jnp.int32)])

    def _logits(self, y_BxTxD: jax.Array) -> jax.Array:
        # Embeddings of unit variance are the output weights too, hence the scale.
        logits_BxTxV = flat(self.shared_embedding.attend, y_BxTxD).astype(jnp.float32)
        return logits_BxTxV / self.config.d_model**0.5


class Encoder(nn.Module):
    """Self-attention and MLP, layer after layer."""

    config: TransformerConfig

    @nn.compact
    def __call__(self, x_BxTxD: jax.Array, mask_BxTxT: jax.Array, drop: Drop) -> jax.Array:
        cfg = self.config
        for layer in range(cfg.num_layers):
            residual = Residual(cfg, name=f"attention_residual_{layer}")
            attention = Attention(cfg, name=f"self_attention_{layer}")
            h_BxTxD = residual.enter(x_BxTxD)
            y_BxTxD = attention(h_BxTxD, attention.keys_values(h_BxTxD), mask_BxTxT)
            x_BxTxD = residual.leave(x_BxTxD, drop(y_BxTxD))
            residual = Residual(cfg, name=f"mlp_residual_{layer}")
            y_BxTxD = MLP(cfg, name=f"mlp_{layer}")(residual.enter(x_BxTxD), drop)
            x_BxTxD = residual.leave(x_BxTxD, drop(y_BxTxD))
        return x_BxTxD if cfg.post_ln else layer_norm(cfg, "encoder_layernorm")(x_BxTxD)


class Decoder(nn.Module):
    """Causal self-attention, attention to the encoder's output and MLP, layer after layer."""

    config: TransformerConfig

    def setup(self) -> None:
        cfg, layers = self.config, range(self.config.num_layers)
        self.self_attention = [Attention(cfg) for _ in layers]
        self.cross_attention = [Attention(cfg) for _ in layers]
        self.mlp = [MLP(cfg) for _ in layers]
        self.residual = [Residual(cfg) for _ in range(3 * cfg.num_layers)]
        if not cfg.post_ln:
            self.decoder_layernorm = layer_norm(cfg)

    def keys_values(self, encoded_BxSxD: jax.Array) -> list[KeysValues]:
        """Of the encoder's output, for each layer's cross-attention."""
        return [attention.keys_values(encoded_BxSxD) for attention in self.cross_attention]

    def __call__(
        self,
        x_BxTxD: jax.Array,
        visible_BxTxS: jax.Array,
        encoded: Encoded,
        seen_BxTxS: jax.Array,
        drop: Drop,
        cache: list[KeysValues] | None = None,
        start: jax.Array | int = 0,
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Output (B, T, D) and each layer's keys and values.

        With a cache, those of `x_BxTxD` are written into it from slot `start` on, and all of it is
        attended to.
        """
        found = []
        for layer, keys_values in enumerate(encoded.keys_values):
            to_past, to_inputs, to_mlp = self.residual[3 * layer : 3 * layer + 3]
            h_BxTxD = to_past.enter(x_BxTxD)
            own = self.self_attention[layer].keys_values(h_BxTxD)
            if cache is not None:
                own = jax.tree.map(functools.partial(_write, start), cache[layer], own)
            found.append(own)
            y_BxTxD = self.self_attention[layer](h_BxTxD, own, visible_BxTxS)
            x_BxTxD = to_past.leave(x_BxTxD, drop(y_BxTxD))
            h_BxTxD = to_inputs.enter(x_BxTxD)
            y_BxTxD = self.cross_attention[layer](h_BxTxD, keys_values, seen_BxTxS)
            x_BxTxD = to_inputs.leave(x_BxTxD, drop(y_BxTxD))
            y_BxTxD = self.mlp[layer](to_mlp.enter(x_BxTxD), drop)
            x_BxTxD = to_mlp.leave(x_BxTxD, drop(y_BxTxD))
        return x_BxTxD if self.config.post_ln else self.decoder_layernorm(x_BxTxD), found


def shift_right(tokens_BxT: jax.Array) -> jax.Array:
    """Each token's predecessor in its row (B, T), 0 for the first.

    In a packed row a later sentence starts from the end of the one before, as AlgoPerf's does.
    """
    return jnp.pad(tokens_BxT, ((0, 0), (1, 0)))[:, :-1]


def sinusoids(length: int, width: int) -> np.ndarray:
    """Fixed positions (length, width): sines, then cosines, of periods 2 pi to 20,000 pi."""
    frequencies = 10_000 ** (-np.arange(width // 2) / (width // 2 - 1))
    angles = np.outer(np.arange(length), frequencies)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def _sees(queries_BxT: jax.Array, keys_BxS: jax.Array) -> jax.Array:
    """Mask (B, T, S): whether both tokens are of one sentence."""
    return queries_BxT[:, :, None] == keys_BxS[:, None, :]


def _write(start: jax.Array, cache_BxHxSxK: jax.Array, new_BxHxTxK: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_slice_in_dim(cache_BxHxSxK, new_BxHxTxK, start, axis=2)
