"""Handwritten digits: the development workload, a real data set that is always at hand."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, LossType, PyTree
from workloads.digits import data
from workloads.digits.model import ConvNet, DigitsConfig
from workloads.linen import LinenWorkload
from workloads.losses import softmax_cross_entropy, weighted_loss


@dataclasses.dataclass(frozen=True)
class Digits(LinenWorkload):
    """Image classification of 8x8 digits; metric: accuracy."""

    loss_type: ClassVar[LossType] = LossType.SOFTMAX_CROSS_ENTROPY
    target_metric_name: ClassVar[str] = "accuracy"

    def model(self) -> ConvNet:
        return ConvNet(self.config)

    def example_batch(self) -> Batch:
        return {"inputs": np.zeros((1, 8, 8, 1), np.float32)}

    def loss_fn(
        self,
        label_batch: Array,
        logits_batch: Array,
        mask_batch: Array | None = None,
        label_smoothing: Array | float = 0.0,
    ) -> dict[str, Array]:
        losses = softmax_cross_entropy(logits_batch, label_batch, label_smoothing)
        return weighted_loss(losses, mask_batch)

    def dataset(self, split: str) -> dict[str, np.ndarray]:
        return data.splits()[split]

    def augment(self, batch: Batch, rng: Array) -> Batch:
        """Shifts each picture by -1, 0 or 1 pixels along both axes; the edge is repeated."""
        inputs_BxHxWxC = jnp.pad(batch["inputs"], ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        shifts_Bx2 = jax.random.randint(rng, (len(inputs_BxHxWxC), 2), 0, 3)
        # All shifts and a choice, one axis after the other: slices at traced places would be a loop
        # over the examples on a TPU.
        for axis in (1, 2):
            shift_Bx1x1x1 = shifts_Bx2[:, axis - 1, None, None, None]
            slices = [jax.lax.slice_in_dim(inputs_BxHxWxC, i, i + 8, axis=axis) for i in range(3)]
            inputs_BxHxWxC = jnp.where(
                shift_Bx1x1x1 == 0, slices[0], jnp.where(shift_Bx1x1x1 == 1, slices[1], slices[2])
            )
        return {**batch, "inputs": inputs_BxHxWxC}

    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        logits = self.logits(params, batch, model_state, rng)
        return {
            "accuracy": jnp.argmax(logits, axis=-1) == batch["targets"],
            "loss": softmax_cross_entropy(logits, batch["targets"]),
        }


SCALES = {
    "lite": Digits(
        name="digits",
        scale="lite",
        config=DigitsConfig(),
        batch_size=64,
        eval_batch_size=400,
        step_hint=300,
    ),
}
VARIANTS: dict[str, dict] = {}
