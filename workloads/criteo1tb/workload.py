"""Click prediction with DLRM-small on a generated click log."""

import dataclasses
from typing import ClassVar

import numpy as np

from algoperf_lite.spec import Array, Batch, LossType, PyTree
from workloads.criteo1tb import data
from workloads.criteo1tb.model import DLRM, DLRMConfig
from workloads.linen import LinenWorkload
from workloads.losses import sigmoid_cross_entropy, weighted_loss


@dataclasses.dataclass(frozen=True)
class Criteo1TB(LinenWorkload):
    """Probability of a click from 13 counts and 26 categories; metric: mean log-loss."""

    loss_type: ClassVar[LossType] = LossType.SIGMOID_CROSS_ENTROPY
    target_metric_name: ClassVar[str] = "loss"

    def model(self) -> DLRM:
        return DLRM(self.config)

    def example_batch(self) -> Batch:
        return {"inputs": np.zeros((1, data.NUM_DENSE + data.NUM_CATEGORICAL), np.float32)}

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
        self.require_lite()
        return data.examples(split)

    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        logits = self.logits(params, batch, model_state, rng)
        return {"loss": sigmoid_cross_entropy(logits, batch["targets"])}


SCALES = {
    "lite": Criteo1TB(
        name="criteo1tb",
        scale="lite",
        config=DLRMConfig(),
        batch_size=512,
        eval_batch_size=2048,
        step_hint=4000,
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
# AlgoPerf's variants, as changes of the config.
VARIANTS: dict[str, dict] = {
    "layernorm": {"layer_norm": True},
    "embed_init": {"embed_init_scale": 1.0},
    "resnet": {"resnet": True},
}
