"""Language modelling with a decoder-only transformer; lite predicts bytes of Python sources."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import (
    SPLITS,
    Array,
    Batch,
    Groups,
    LossType,
    ParameterType,
    PyTree,
    ShapeTuple,
)
from workloads.finewebedu_lm import data
from workloads.finewebedu_lm.model import DecoderLM, LMConfig
from workloads.linen import LinenWorkload
from workloads.losses import (
    Unembedding,
    softmax_cross_entropy,
    unembedded_cross_entropy,
    weighted_loss,
)


@dataclasses.dataclass(frozen=True)
class FinewebEduLM(LinenWorkload):
    """Next-token prediction; metric: perplexity, exp of the mean loss per token.

    Attributes:
      num_eval: sequences in each of the validation and test splits.
    """

    num_eval: int = 0

    loss_type: ClassVar[LossType] = LossType.SOFTMAX_CROSS_ENTROPY
    target_metric_name: ClassVar[str] = "ppl"
    output_layer: ClassVar[str] = "token_embed"  # tied

    def model(self) -> DecoderLM:
        return DecoderLM(self.config)

    def example_batch(self) -> Batch:
        return {"inputs": np.zeros((1, self.config.seq_len), np.int32)}

    def loss_fn(
        self,
        label_batch: Array,
        logits_batch: Array | Unembedding,
        mask_batch: Array | None = None,
        label_smoothing: Array | float = 0.0,
    ) -> dict[str, Array]:
        losses = self._losses(logits_batch, label_batch, label_smoothing)
        return weighted_loss(losses, _token_weights(mask_batch, losses.shape))

    def _losses(
        self, logits: Array | Unembedding, labels: Array, label_smoothing: Array | float = 0.0
    ) -> Array:
        """The loss of each token, (B, T)."""
        if isinstance(logits, Unembedding):
            chunk = self.config.loss_chunk
            return unembedded_cross_entropy(logits, labels, chunk, label_smoothing)
        return softmax_cross_entropy(logits, labels, label_smoothing)

    def dataset(self, split: str) -> dict[str, np.ndarray]:
        self.require_lite()
        return data.splits(self.config.seq_len, self.num_eval)[split]

    @property
    def groups(self) -> Groups | None:
        """The files; at full scale no document says where it is from."""
        is_lite = self.scale == "lite"
        return Groups.by(data.file_numbers(self.config.seq_len)) if is_lite else None

    @property
    def evaluated_splits(self) -> tuple[str, ...]:
        """AlgoPerf's data have no test split."""
        return SPLITS if self.scale == "lite" else ("train", "validation")

    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        logits = self.logits(params, batch, model_state, rng)
        losses = self._losses(logits, batch["targets"])
        weights = _token_weights(batch.get("weights"), losses.shape)
        return {"loss": (losses * weights).sum(axis=-1), "tokens": weights.sum(axis=-1)}

    def eval_metrics(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        # The exponential of the mean over all tokens, not a mean of exponentials.
        loss, tokens = (np.asarray(outputs[key], np.float64).sum() for key in ("loss", "tokens"))
        return {"loss": float(loss / tokens), "ppl": float(np.exp(loss / tokens))}

    @property
    def model_params_types(self) -> PyTree:
        """AlgoPerf's: EMBEDDING, LAYER_NORM_SCALE for the last norm, and WEIGHT for all else."""
        # AlgoPerf reads types from names, and this model's attention and norms have none of those
        # that it knows. Submissions branch on types, so they must find the same ones here.
        return jax.tree.map_with_path(_param_type, self.param_shapes)

    @property
    def learning_rate_multipliers(self) -> PyTree:
        """muP for Adam: 1 / width_multiplier for hidden matrices, 1 for embeddings and vectors."""
        # Table 8 of Yang et al. 2022, for Adam: only matrices between two hidden widths scale, and
        # those are the kernels of dense layers.
        hidden = 1 / self.config.width_multiplier
        return jax.tree.map_with_path(
            lambda path, shape: hidden if path[-1].key == "kernel" else 1.0, self.param_shapes
        )


def at_width(workload: FinewebEduLM, d_model: int, num_heads: int | None = None) -> FinewebEduLM:
    """`workload` with another model width, in the parametrisation that keeps its hyperparameters.

    MLP and heads grow in proportion: by default there are more heads of the same width, else
    `num_heads` of another width. Another number of tokens is `dataclasses.replace(workload,
    batch_size=..., step_hint=...)`. Raises ValueError where the heads do not fill the width.
    """
    old = workload.config
    head_width = old.d_model // old.num_heads
    if num_heads is None:
        num_heads = d_model // head_width
    if num_heads < 1 or d_model % num_heads or (d_model // num_heads) % 2:
        raise ValueError(
            f"width {d_model} does not split into {num_heads} heads of an even width; "
            f"use a multiple of the head width, which is {head_width}"
        )
    # Multipliers refer to the base model, through however many widths a workload has gone.
    base = round(old.d_model / old.width_multiplier)
    config = dataclasses.replace(
        old,
        d_model=d_model,
        num_heads=num_heads,
        mlp_hidden=old.mlp_hidden * d_model // old.d_model,
        width_multiplier=d_model / base,
        head_multiplier=old.head_multiplier * (d_model // num_heads) / head_width,
    )
    return dataclasses.replace(workload, config=config)


def _param_type(path: tuple[Any, ...], shape: ShapeTuple) -> ParameterType:
    del shape
    if path[-1].key == "embedding":
        return ParameterType.EMBEDDING
    is_last_norm = path[0].key == "final_norm"
    return ParameterType.LAYER_NORM_SCALE if is_last_norm else ParameterType.WEIGHT


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
            scale_dtype="float32",
            loss_chunk=0,
            remat=False,
        ),
        batch_size=16,
        eval_batch_size=64,
        step_hint=4200,
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
