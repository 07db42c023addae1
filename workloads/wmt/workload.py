"""Translation with an encoder-decoder transformer; lite translates numbers, dates and amounts."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import sacrebleu

from algoperf_lite.spec import Array, Batch, Groups, LossType, PyTree
from workloads.linen import LinenWorkload
from workloads.losses import (
    Unembedding,
    softmax_cross_entropy,
    unembedded_cross_entropy,
    weighted_loss,
)
from workloads.wmt import data, full
from workloads.wmt.beam import beam_search
from workloads.wmt.blocks import TransformerConfig
from workloads.wmt.model import Encoded, Row, Transformer

BEAMS = 4  # as AlgoPerf's


@dataclasses.dataclass(frozen=True)
class WMT(LinenWorkload):
    """Translation; metric: BLEU of beam search's sentences, loss and accuracy are per token.

    Attributes:
      num_eval: sentence pairs in each of the validation and test splits.
    """

    num_eval: int = 0

    loss_type: ClassVar[LossType] = LossType.SOFTMAX_CROSS_ENTROPY
    target_metric_name: ClassVar[str] = "bleu"
    output_layer: ClassVar[str] = "shared_embedding"  # tied

    def model(self) -> Transformer:
        return Transformer(self.config)

    def example_batch(self) -> Batch:
        tokens = np.ones((1, self.config.sentence_len), np.int32)
        return {"inputs": tokens, "targets": tokens}

    def model_inputs(self, batch: Batch) -> tuple[Row, Row]:
        return _row(batch, "inputs"), _row(batch, "targets")

    def loss_fn(
        self,
        label_batch: Array,
        logits_batch: Array | Unembedding,
        mask_batch: Array | None = None,
        label_smoothing: Array | float = 0.0,
    ) -> dict[str, Array]:
        labels = label_batch.astype(jnp.int32)
        if isinstance(logits_batch, Unembedding):
            chunk = self.config.loss_chunk
            losses = unembedded_cross_entropy(logits_batch, labels, chunk, label_smoothing)
        else:
            losses = softmax_cross_entropy(logits_batch, labels, label_smoothing)
        return weighted_loss(losses, _token_weights(labels, mask_batch))

    def dataset(self, split: str) -> dict[str, np.ndarray]:
        """Packed rows of train; pairs, one a row, of the other splits."""
        # Padding short sentences would waste most of a training step. Decoding needs them apart.
        self.require_lite()
        if split == "train":
            return data.packed(self.config.row_len)
        return data.pairs(split, self.num_eval)

    @property
    def groups(self) -> Groups | None:
        """How many sentences a row packs, from few long ones to many short ones; their kinds are
        mixed in every row."""
        if self.scale != "lite":
            return None
        return Groups.by(data.packed(self.config.row_len)["targets_segmentation"].max(axis=1))

    def eval_dataset(self, split: str) -> dict[str, np.ndarray]:
        self.require_lite()
        return data.pairs(split, self.num_eval)

    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        targets = batch["targets"].astype(jnp.int32)
        logits = self.logits(params, batch, model_state, rng)
        weights = _token_weights(targets, batch.get("weights"))
        correct = (logits.argmax(axis=-1) == targets) * weights
        losses = softmax_cross_entropy(logits, targets) * weights
        sums = {"loss": losses, "accuracy": correct, "tokens": weights}
        return {
            **{name: values.sum(axis=-1) for name, values in sums.items()},
            "translations": self.translate(params, batch),
            "targets": targets,
        }

    def translate(self, params: PyTree, batch: Batch) -> jax.Array:
        """Tokens (B, sentence_len) that beam search finds for `batch['inputs']`."""
        model, cfg, params = self.model(), self.config, self.weights(params)
        row = _row(batch, "inputs")
        encoded: Encoded = model.apply({"params": params}, row, method="encode")

        def step(*args: Any) -> tuple[jax.Array, Any]:
            return model.apply({"params": params}, *args, encoded, method="decode_step")

        num_sentences = len(row.tokens)
        cache = model.empty_cache(num_sentences, BEAMS)
        return beam_search(step, cache, num_sentences, cfg.sentence_len, cfg.eos, BEAMS)

    def eval_metrics(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        # A mean over tokens: sentences of a split have unlike lengths.
        sums = {
            name: np.asarray(outputs[name], np.float64).sum()
            for name in ("loss", "accuracy", "tokens")
        }
        text = data.text
        if self.data_dir is not None:
            text = full.tokenizer(Path(self.data_dir)).text
        translations, references = (
            [text(row) for row in outputs[name].tolist()] for name in ("translations", "targets")
        )
        return {
            "loss": float(sums["loss"] / sums["tokens"]),
            "accuracy": float(sums["accuracy"] / sums["tokens"]),
            # `force` keeps sacrebleu from warning that the text looks tokenised.
            "bleu": sacrebleu.corpus_bleu(translations, [references], force=True).score,
        }


def _row(batch: Batch, side: str) -> Row:
    """One side of a batch; rows that are not packed hold one sentence each."""
    tokens = batch[side]
    if f"{side}_position" in batch:
        return Row(tokens, batch[f"{side}_position"], batch[f"{side}_segmentation"])
    position = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    return Row(tokens, position, (tokens != data.PAD).astype(jnp.int32))


def _token_weights(labels: Array, mask: Array | None) -> Array:
    """Weights (B, T): 0 for padding, else that of the sentence or of the token."""
    weights = (labels != data.PAD).astype(jnp.float32)
    return weights if mask is None else weights * mask.reshape(len(labels), -1)


SCALES: dict[str, Any] = {
    "lite": WMT(
        name="wmt",
        scale="lite",
        config=TransformerConfig(
            vocab_size=756,
            row_len=64,
            sentence_len=data.SENTENCE_LEN,
            d_model=48,
            num_heads=2,
            num_layers=2,
            mlp_hidden=48,
            eos=data.EOS,
            loss_chunk=0,
        ),
        batch_size=8,
        eval_batch_size=16,
        step_hint=4500,
        num_eval=64,
    ),
    "full": WMT(
        name="wmt",
        scale="full",
        config=TransformerConfig(),
        batch_size=128,
        eval_batch_size=128,
        step_hint=120_000,
    ),
}
VARIANTS: dict[str, dict] = {
    "post_ln": {"post_ln": True},
    "attention_temp": {"attention_temp": 4.0},
    "glu_tanh": {"glu": True, "activation": "tanh"},
}
