"""DeepSpeech: bidirectional LSTMs and feed-forward layers on log-mel features.

Shape suffixes: B batch, T frames, D model width, H width of one LSTM direction, R directions.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from workloads.layers import Dropout
from workloads.librispeech.frontend import FrontendConfig
from workloads.librispeech.layers import BatchNorm, LayerNorm, SpeechInput, dense
from workloads.librispeech_deepspeech import lstm

Rate = jax.Array | float
_GATES = "ifgo"


@dataclasses.dataclass(frozen=True)
class DeepSpeechConfig:
    """Sizes and switches of the model; the defaults are AlgoPerf's, i.e. the full scale.

    Attributes:
      freq_masks, time_masks: of SpecAugment.
      d_model: width of all layers; an LSTM has half of it in each direction.
      subsample_channels: of the two convolutions at the bottom.
      batch_norm: before every LSTM and feed-forward layer; False is layer norm there.
      output_norm: a layer norm before the output layer.
      residual: every LSTM and feed-forward layer adds to its input.
      tanh: in the convolutions and the feed-forward layers, in place of ReLU.
      dropout_rate: at the input and, without residuals, in the feed-forward layers, where
        `model_fn` is given no rate.
      residual_dropout_rate: in feed-forward layers with a residual, whatever `model_fn` is given.
      dtype: see `workloads.layers`; products of the output layer are of it too, and LSTMs, whose
        state adds up over hundreds of frames, are float32.
      remat: whether what lies below the LSTMs, whose first convolution is by far the largest array,
        is computed again in the backward pass.
      ctc: how the loss is computed, a method of `ctc.ctc_losses`.
      lstm: how its layers are computed, one of `lstm.METHODS`.
    """

    frontend: FrontendConfig = FrontendConfig()
    freq_masks: int = 2
    time_masks: int = 10
    vocab_size: int = 1024
    d_model: int = 512
    num_lstm_layers: int = 6
    num_ffn_layers: int = 3
    subsample_channels: int = 512
    batch_norm_momentum: float = 0.999
    batch_norm: bool = True
    output_norm: bool = True
    residual: bool = True
    tanh: bool = False
    dropout_rate: float = 0.1
    residual_dropout_rate: float = 0.1
    dtype: str = "float32"
    remat: bool = True
    ctc: str = "auto"
    lstm: str = "auto"

    def activate(self, x: jax.Array) -> jax.Array:
        return jnp.tanh(x) if self.tanh else nn.relu(x)


class DeepSpeech(nn.Module):
    """Logits (B, T, vocabulary) and their paddings (B, T) from audio (B, samples)."""

    config: DeepSpeechConfig

    @nn.compact
    def __call__(
        self, audio_BxS: jax.Array, num_samples_B: jax.Array, train: bool, dropout_rate: Rate
    ) -> tuple[jax.Array, jax.Array]:
        cfg = self.config
        listen = SpeechInput(
            cfg.frontend,
            cfg.d_model,
            cfg.subsample_channels,
            positions=False,
            freq_masks=cfg.freq_masks,
            time_masks=cfg.time_masks,
            activate=cfg.activate,
            dtype=cfg.dtype,
            remat=cfg.remat,
        )
        x_BxTxD, valid_BxT = listen(audio_BxS, num_samples_B, train, dropout_rate)
        for _ in range(cfg.num_lstm_layers):
            x = self._norm(x_BxTxD, valid_BxT, train).astype(jnp.float32)
            y = BiLSTM(cfg.d_model // 2, cfg.lstm)(x, valid_BxT).astype(cfg.dtype)
            x_BxTxD = self._join(x_BxTxD, y)
        for _ in range(cfg.num_ffn_layers):
            y = self._feed_forward(self._norm(x_BxTxD, valid_BxT, train), dropout_rate, train)
            x_BxTxD = self._join(x_BxTxD, y)
        if cfg.output_norm:
            x_BxTxD = LayerNorm()(x_BxTxD)
        output = dense(cfg.vocab_size, cfg.dtype, "output")
        logits = output(x_BxTxD.reshape(-1, cfg.d_model)).astype(jnp.float32)
        logits_BxTxV = logits.reshape(*valid_BxT.shape, cfg.vocab_size)
        return logits_BxTxV, 1.0 - valid_BxT

    def _norm(self, x_BxTxD: jax.Array, valid_BxT: jax.Array, train: bool) -> jax.Array:
        if self.config.batch_norm:
            return BatchNorm(self.config.batch_norm_momentum)(x_BxTxD, valid_BxT, train)
        return LayerNorm()(x_BxTxD)

    def _feed_forward(self, x_BxTxD: jax.Array, dropout_rate: Rate, train: bool) -> jax.Array:
        cfg = self.config
        hidden = dense(cfg.d_model, cfg.dtype)
        x_NxD = cfg.activate(hidden(x_BxTxD.reshape(-1, cfg.d_model)))
        # AlgoPerf forgets to hand the rate on to layers with a residual; its targets rest on that.
        if cfg.residual:
            dropout_rate = cfg.residual_dropout_rate
        return Dropout()(x_NxD, dropout_rate, not train).reshape(x_BxTxD.shape)

    def _join(self, x: jax.Array, y: jax.Array) -> jax.Array:
        return x + y if self.config.residual else y


class BiLSTM(nn.Module):
    """LSTMs from both ends of each utterance, side by side: (B, T, 2 H), zero on padded frames."""

    hidden: int
    method: str = "scan"

    @nn.compact
    def __call__(self, x_BxTxD: jax.Array, valid_BxT: jax.Array) -> jax.Array:
        size, num_frames, features = x_BxTxD.shape
        cells = [LSTMCell(self.hidden, name=name)(features) for name in ("forward", "backward")]
        kernels, recurrents, biases = zip(*cells, strict=True)
        if lstm.uses_cudnn(self.method):
            return lstm.by_cudnn(x_BxTxD, valid_BxT, kernels, recurrents, biases)
        # Both directions advance in one loop, and the products with the inputs, which do not wait
        # for each other, happen before it: a step of the loop is one small product.
        recurrent_RxHxG, bias_RxG = jnp.stack(recurrents), jnp.stack(biases)
        x_NxD = x_BxTxD.swapaxes(0, 1).reshape(-1, features)
        gates_NxE = x_NxD @ jnp.concatenate(kernels, axis=1)
        gates_TxBxRxG = gates_NxE.reshape(num_frames, size, 2, -1)
        gates_TxRxBxG = gates_TxBxRxG.transpose(0, 2, 1, 3) + bias_RxG[:, None, :]
        valid_TxRxBx1 = jnp.broadcast_to(valid_BxT.T[:, None, :, None], (num_frames, 2, size, 1))
        gates_TxRxBxG, valid_TxRxBx1 = _turn(gates_TxRxBxG), _turn(valid_TxRxBx1)

        def step(carry: tuple, inputs: tuple) -> tuple:
            cell_RxBxH, hidden_RxBxH = carry
            gates_RxBxG, valid_RxBx1 = inputs
            gates_RxBxG += jnp.einsum("rbh,rhg->rbg", hidden_RxBxH, recurrent_RxHxG)
            i, f, g, o = jnp.split(gates_RxBxG, 4, axis=-1)
            cell = nn.sigmoid(f) * cell_RxBxH + nn.sigmoid(i) * jnp.tanh(g)
            # Zero on padding: the backward direction starts fresh at the last valid frame.
            cell = jnp.where(valid_RxBx1, cell, 0.0)
            hidden = nn.sigmoid(o) * jnp.tanh(cell)
            return (cell, hidden), hidden

        zeros = jnp.zeros((2, size, self.hidden))
        _, hidden_TxRxBxH = jax.lax.scan(step, (zeros, zeros), (gates_TxRxBxG, valid_TxRxBx1))
        return _turn(hidden_TxRxBxH).transpose(2, 0, 1, 3).reshape(size, num_frames, -1)


class LSTMCell(nn.Module):
    """Parameters of one direction: kernels (D, 4 H) and (H, 4 H), bias (4 H), gates i f g o."""

    hidden: int

    @nn.compact
    def __call__(self, features: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        # Each gate is initialised for itself, as in linen's cell: an orthogonal (H, 4 H) would be
        # another distribution.
        lecun, orthogonal = nn.initializers.lecun_normal(), nn.initializers.orthogonal()
        inputs = [Affine(features, self.hidden, lecun, name=f"input_{g}")() for g in _GATES]
        states = [
            Affine(self.hidden, self.hidden, orthogonal, True, name=f"hidden_{g}")() for g in _GATES
        ]
        kernels, biases = zip(*states, strict=True)
        parts = [kernel for kernel, _ in inputs], kernels, biases
        return tuple(jnp.concatenate(part, axis=-1) for part in parts)


class Affine(nn.Module):
    """Kernel and, if asked for, bias of one gate, to be used elsewhere."""

    inputs: int
    outputs: int
    kernel_init: nn.initializers.Initializer
    use_bias: bool = False

    @nn.compact
    def __call__(self) -> tuple[jax.Array, jax.Array | None]:
        kernel = self.param("kernel", self.kernel_init, (self.inputs, self.outputs))
        bias_init = nn.initializers.zeros
        return kernel, self.param("bias", bias_init, (self.outputs,)) if self.use_bias else None


def _turn(x_TxRx: jax.Array) -> jax.Array:
    """Time reversed for the second direction."""
    return jnp.stack([x_TxRx[:, 0], x_TxRx[::-1, 1]], axis=1)
