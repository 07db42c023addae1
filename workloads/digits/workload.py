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
        # A slice at a traced place keeps the shape, so that all shifts are one program.
        inputs_BxHxWxC = jnp.pad(batch["inputs"], ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        shifts_Bx2 = jax.random.randint(rng, (len(inputs_BxHxWxC), 2), 0, 3)

        def crop(image_HxWxC: Array, shift: Array) -> Array:
            return jax.lax.dynamic_slice(image_HxWxC, (shift[0], shift[1], 0), (8, 8, 1))

        return {**batch, "inputs": jax.vmap(crop)(inputs_BxHxWxC, shifts_Bx2)}

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
