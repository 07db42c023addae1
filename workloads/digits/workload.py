"""Handwritten digits: the development workload, a real data set that is always at hand."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, Groups, LossType, PyTree
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

    @property
    def groups(self) -> Groups:
        """The ten digits."""
        return Groups.by(self.dataset("train")["targets"])

    def augment(self, batch: Batch, rng: Array) -> Batch:
        """Shifts each picture by -1, 0 or 1 pixels along both axes; the edge is repeated."""
        inputs_BxHxWxC = batch["inputs"]
        shifts_Bx2 = jax.random.randint(rng, (len(inputs_BxHxWxC), 2), 0, 3)
        # A choice between neighbours, one axis after the other: slices at traced places would be a
        # loop over the examples on a TPU.
        for axis in (1, 2):
            place = jax.lax.broadcasted_iota(jnp.int32, inputs_BxHxWxC.shape, axis)
            last = inputs_BxHxWxC.shape[axis] - 1
            before = jnp.where(place == 0, inputs_BxHxWxC, _moved(inputs_BxHxWxC, axis, 1))
            after = jnp.where(place == last, inputs_BxHxWxC, _moved(inputs_BxHxWxC, axis, -1))
            shift = shifts_Bx2[:, axis - 1, None, None, None]
            moved = jnp.where(shift == 0, before, after)
            inputs_BxHxWxC = jnp.where(shift == 1, inputs_BxHxWxC, moved)
        return {**batch, "inputs": inputs_BxHxWxC}

    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        logits = self.logits(params, batch, model_state, rng)
        return {
            "accuracy": jnp.argmax(logits, axis=-1) == batch["targets"],
            "loss": softmax_cross_entropy(logits, batch["targets"]),
        }


def _moved(array: Array, axis: int, by: int) -> Array:
    """An array moved by one place along an axis; zeros come in."""
    sides = [(0, 0, 0)] * array.ndim
    sides[axis] = (by, -by, 0)
    return jax.lax.pad(array, jnp.zeros((), array.dtype), sides)


SCALES = {
    "lite": Digits(
        name="digits",
        scale="lite",
        config=DigitsConfig(),
        batch_size=64,
        eval_batch_size=400,
        step_hint=600,
    ),
}
VARIANTS: dict[str, dict] = {}
