"""Speech recognition without its model: the data, loss and metrics of two workloads."""

import dataclasses
from pathlib import Path
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, Groups, LossType, PyTree
from workloads.librispeech import data, full, language, synthesis
from workloads.librispeech.ctc import ctc_losses, greedy_decode, word_error_rate
from workloads.librispeech.frontend import FrontendConfig
from workloads.librispeech.mel_statistics import LITE_MEAN, LITE_STD
from workloads.librispeech.sentences import Sentences
from workloads.linen import LinenWorkload

# A quarter of AlgoPerf's sampling rate, since all sounds of the generated language lie below 2 kHz;
# frames of 25 ms every 10 ms, as there.
LITE_FRONTEND = FrontendConfig(
    sample_rate=synthesis.SAMPLE_RATE,
    frame_samples=100,
    step_samples=40,
    num_bins=24,
    low_hz=80.0,
    high_hz=1950.0,
    mean=LITE_MEAN,
    std=LITE_STD,
    freq_mask_bins=5,
)
FULL_SAMPLES = 320_000  # of a padded utterance, 20 s
FULL_VOCAB = 1024


@dataclasses.dataclass(frozen=True)
class SpeechWorkload(LinenWorkload):
    """Tokens of an utterance from its audio; metric: word error rate of the greedy decoding.

    The model takes (audio, number of samples) and returns logits (B, T, vocabulary) and paddings
    (B, T), 1.0 for a frame after the utterance's end. Targets are tokens with zeros at the end.
    """

    loss_type: ClassVar[LossType] = LossType.CTC_LOSS
    target_metric_name: ClassVar[str] = "wer"

    def model_inputs(self, batch: Batch) -> tuple[Array, Array]:
        return batch["inputs"], batch["input_lengths"]

    def example_batch(self) -> Batch:
        samples = synthesis.NUM_SAMPLES if self.scale == "lite" else FULL_SAMPLES
        return {
            "inputs": np.zeros((1, samples), np.int16),
            "input_lengths": np.full(1, samples, np.int32),
        }

    def loss_fn(
        self,
        label_batch: Array,
        logits_batch: tuple[Array, Array],
        mask_batch: Array | None = None,
        label_smoothing: Array | float = 0.0,
    ) -> dict[str, Array]:
        """AlgoPerf's loss dictionary, per utterance; `n_valid_examples` counts target tokens.

        It is at least 1, so that a batch without a token has a mean loss.

        Args:
          mask_batch: one weight per utterance, (batch,).
        """
        del label_smoothing  # ignored, as in AlgoPerf
        # The loss is per token and not per utterance, as in AlgoPerf.
        losses = ctc_losses(*logits_batch, label_batch, self.config.ctc)
        weights = jnp.ones_like(losses) if mask_batch is None else mask_batch
        num_tokens = (label_batch != language.BLANK).sum(axis=1)
        return {
            "summed": (losses * weights).sum(),
            "n_valid_examples": jnp.maximum((num_tokens * weights).sum(), 1),
            "per_example": losses * weights,
        }

    def dataset(self, split: str) -> dict[str, np.ndarray]:
        self.require_lite()
        return data.utterances(split)

    @property
    def groups(self) -> Groups | None:
        """How many words an utterance has."""
        return Groups.by(data.word_counts()) if self.scale == "lite" else None

    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        logits, paddings = self.logits(params, batch, model_state, rng)
        return {
            "ctc_loss": ctc_losses(logits, paddings, batch["targets"], self.config.ctc),
            "decoded": greedy_decode(logits, paddings),
            "targets": jnp.asarray(batch["targets"]),
        }

    def eval_metrics(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        """The loss per token, and word error rates: where data are read from files, "wer" is in
        AlgoPerf's convention, as its targets are, and "true_wer" of the words that were said."""
        num_tokens = np.count_nonzero(outputs["targets"])
        loss = float(np.sum(outputs["ctc_loss"], dtype=np.float64) / num_tokens)
        targets, decoded = outputs["targets"], outputs["decoded"]
        if self.data_dir is not None:
            sentences = Sentences(full.tokenizer(Path(self.data_dir)))
            return {"ctc_loss": loss, **sentences.word_error_rates(targets, decoded)}
        references, hypotheses = (
            [language.text(row) for row in rows] for rows in (targets, decoded)
        )
        return {"ctc_loss": loss, "wer": word_error_rate(references, hypotheses)}
