"""Classification of pictures without its model: the data, loss and metrics of two workloads."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.data.source import InMemory
from algoperf_lite.spec import Array, Batch, Groups, LossType, PyTree
from workloads.imagenet_pictures import data
from workloads.linen import LinenWorkload
from workloads.losses import softmax_cross_entropy, weighted_loss

# Of ImageNet's pixels in 0..255, per channel; the drawn pictures are close enough.
_MEAN = (123.675, 116.28, 103.53)
_STDDEV = (58.395, 57.12, 57.375)


@dataclasses.dataclass(frozen=True)
class PictureClassification(LinenWorkload):
    """One of `config.num_classes` for a picture of `config.image_size`; metric: accuracy.

    Inputs are pixels in 0..255 (B, H, W, 3), uint8 as stored or float32 once augmented; targets
    are labels (B,) or, once mixed, probabilities (B, classes).
    """

    loss_type: ClassVar[LossType] = LossType.SOFTMAX_CROSS_ENTROPY
    target_metric_name: ClassVar[str] = "accuracy"
    output_layer: ClassVar[str] = "head"

    def example_batch(self) -> Batch:
        size = self.config.image_size
        return {"inputs": np.zeros((1, size, size, 3), np.uint8)}

    def model_inputs(self, batch: Batch) -> tuple[jax.Array]:
        # On the device: pixels travel and lie in memory as bytes.
        return (standardised(batch["inputs"]),)

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
        self.require_lite()
        return data.examples(split)

    @property
    def groups(self) -> Groups | None:
        """The classes, where labels lie in memory."""
        source = self.source("train")
        return Groups.by(source.arrays["targets"]) if isinstance(source, InMemory) else None

    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        logits = self.logits(params, batch, model_state, rng)
        return {
            "accuracy": jnp.argmax(logits, axis=-1) == batch["targets"],
            "loss": softmax_cross_entropy(logits, batch["targets"]),
        }


def standardised(pixels: Array) -> jax.Array:
    """Pixels in 0..255 (..., 3) of any type as float32 with mean near 0 and deviation near 1."""
    return (jnp.asarray(pixels, jnp.float32) - np.float32(_MEAN)) / np.float32(_STDDEV)
