"""Click prediction with DLRM-small on a generated click log."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, ForwardPassMode, LossType, PyTree, Workload
from workloads.criteo1tb import data
from workloads.criteo1tb.model import DLRM, DLRMConfig
from workloads.losses import sigmoid_cross_entropy, weighted_loss


@dataclasses.dataclass(frozen=True)
class Criteo1TB(Workload):
    """Probability of a click from 13 counts and 26 categories; metric: mean log-loss."""

    loss_type: ClassVar[LossType] = LossType.SIGMOID_CROSS_ENTROPY
    target_metric_name: ClassVar[str] = "loss"

    def init_model_fn(self, rng: Array) -> tuple[PyTree, PyTree]:
        inputs = jnp.zeros((1, data.NUM_DENSE + data.NUM_CATEGORICAL))
        return DLRM(self.config).init(rng, inputs, 0.0, True)["params"], {}

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
        """Logits (batch,) and the empty model state."""
        del update_batch_norm  # no batch norm
        logits = DLRM(self.config).apply(
            {"params": params},
            augmented_and_preprocessed_input_batch["inputs"],
            self.config.dropout_rate if dropout_rate is None else dropout_rate,
            deterministic=mode != ForwardPassMode.TRAIN,
            rngs={"dropout": rng},
        )
        return logits, model_state

    def loss_fn(
        self,
        label_batch: Array,
        logits_batch: Array,
        mask_batch: Array | None = None,
        label_smoothing: Array | float = 0.0,
    ) -> dict[str, Array]:
        """AlgoPerf's loss dictionary; labels, logits and mask are (batch,)."""
        del label_smoothing  # ignored, as in AlgoPerf
        return weighted_loss(sigmoid_cross_entropy(logits_batch, label_batch), mask_batch)

    def dataset(self, split: str) -> dict[str, np.ndarray]:
        if self.scale != "lite":
            raise ValueError(
                f"workload {self.name!r} has its model but no data pipeline at scale "
                f"{self.scale!r}; use --scale=lite"
            )
        return data.examples(split)

    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        logits, _ = self.model_fn(params, batch, model_state, ForwardPassMode.EVAL, rng, False)
        return {"loss": sigmoid_cross_entropy(logits, batch["targets"])}

    def eval_metrics(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        return {name: float(np.mean(values, dtype=np.float64)) for name, values in outputs.items()}

    def is_output_params(self, param_key: str) -> bool:
        return param_key == "output"


SCALES = {
    "lite": Criteo1TB(
        name="criteo1tb",
        scale="lite",
        config=DLRMConfig(),
        batch_size=512,
        eval_batch_size=2048,
        step_hint=1920,
    ),
    "full": Criteo1TB(
        name="criteo1tb",
        scale="full",
        config=DLRMConfig(
            table_rows=4_194_304,
            embed_dim=128,
            bottom=(512, 256, 128),
            top=(1024, 1024, 512, 256, 1),
            resnet_width=256,
        ),
        batch_size=262_144,
        eval_batch_size=131_072,
        step_hint=10_666,
    ),
}
VARIANTS: dict[str, dict] = {
    "layernorm": {"layer_norm": True},
    "embed_init": {"embed_init_scale": 1.0},
    "resnet": {"resnet": True},
}
