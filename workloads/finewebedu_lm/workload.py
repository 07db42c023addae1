"""Language modelling with a decoder-only transformer; lite predicts bytes of Python sources."""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, ForwardPassMode, LossType, PyTree, Workload
from workloads.finewebedu_lm import data
from workloads.finewebedu_lm.model import DecoderLM, LMConfig
from workloads.losses import softmax_cross_entropy, weighted_loss


@dataclasses.dataclass(frozen=True)
class FinewebEduLM(Workload):
    """Next-token prediction; metric: perplexity, exp of the mean loss per token.

    Attributes:
      num_eval: sequences in each of the validation and test splits.
    """

    num_eval: int = 0

    loss_type: ClassVar[LossType] = LossType.SOFTMAX_CROSS_ENTROPY
    target_metric_name: ClassVar[str] = "ppl"

    def init_model_fn(self, rng: Array) -> tuple[PyTree, PyTree]:
        tokens = jnp.zeros((1, self.config.seq_len), jnp.int32)
        return DecoderLM(self.config).init(rng, tokens)["params"], {}

    def model_fn(
        self,
        params: PyTree,
        augmented_and_preprocessed_input_batch: Batch,
        model_state: PyTree,
        mode: ForwardPassMode,
        rng: Array,
        update_batch_norm: bool,
        dropout_rate: Array | float | None = None,
    ) -> tuple[Array, PyTree]:
        del mode, rng, update_batch_norm, dropout_rate  # no dropout, no batch norm
        inputs = augmented_and_preprocessed_input_batch["inputs"]
        return DecoderLM(self.config).apply({"params": params}, inputs), model_state

    def loss_fn(
        self,
        label_batch: Array,
        logits_batch: Array,
        mask_batch: Array | None = None,
        label_smoothing: Array | float = 0.0,
    ) -> dict[str, Array]:
        losses = softmax_cross_entropy(logits_batch, label_batch, label_smoothing)
        return weighted_loss(losses, _token_weights(mask_batch, losses.shape))

    def dataset(self, split: str) -> dict[str, np.ndarray]:
        if self.scale != "lite":
            raise ValueError(
                f"workload {self.name!r} has its model but no data pipeline at scale "
                f"{self.scale!r} yet; use --scale=lite"
            )
        return data.splits(self.config.seq_len, self.num_eval)[split]

    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        logits, _ = self.model_fn(params, batch, model_state, ForwardPassMode.EVAL, rng, False)
        losses = softmax_cross_entropy(logits, batch["targets"])
        weights = _token_weights(batch.get("weights"), losses.shape)
        return {"loss": (losses * weights).sum(axis=-1), "tokens": weights.sum(axis=-1)}

    def eval_metrics(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        loss, tokens = (np.asarray(outputs[key], np.float64).sum() for key in ("loss", "tokens"))
        return {"loss": float(loss / tokens), "ppl": float(np.exp(loss / tokens))}

    def is_output_params(self, param_key: str) -> bool:
        return param_key == "token_embed"  # tied


def _token_weights(mask: Array | None, shape: tuple[int, int]) -> Array:
    """Weights (B, T) from none, one per sequence, or one per token."""
    if mask is None:
        return jnp.ones(shape)
    return jnp.broadcast_to(mask.reshape(shape[0], -1), shape)


SCALES: dict[str, Any] = {
    "lite": FinewebEduLM(
        name="finewebedu_lm",
        scale="lite",
        config=LMConfig(
            vocab_size=256,
            seq_len=64,
            d_model=64,
            num_heads=2,
            num_layers=2,
            mlp_hidden=128,
            dtype="float32",
        ),
        batch_size=16,
        eval_batch_size=64,
        step_hint=1400,
        num_eval=192,
    ),
    "full": FinewebEduLM(
        name="finewebedu_lm",
        scale="full",
        config=LMConfig(),
        batch_size=64,
        eval_batch_size=256,
        step_hint=72_000,
    ),
}
VARIANTS: dict[str, dict] = {
    "no_qk_norm": {"qk_norm": False},
    "learned_positions": {"rotary": False},
    "relu_mlp": {"gated_mlp": False},
}
