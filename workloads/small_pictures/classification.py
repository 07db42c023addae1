"""Classification of small pictures, whatever the model: pixels, loss and metrics."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Batch
from workloads.imagenet_pictures.classification import PictureClassification


@dataclasses.dataclass(frozen=True)
class SmallPictureClassification(PictureClassification):
    """One of ten classes for a picture of `shape`; metric: accuracy.

    Inputs are pixels in 0..255 (B, H, W, C), uint8; targets are labels (B,).

    Attributes:
      shape: (H, W, C).
      mean, stddev: of pixels in 0..255, one for each channel or for all.
    """

    shape: ClassVar[tuple[int, int, int]]
    mean: ClassVar[tuple[float, ...]]
    stddev: ClassVar[tuple[float, ...]]

    def example_batch(self) -> Batch:
        return {"inputs": np.zeros((1, *self.shape), np.uint8)}

    def model_inputs(self, batch: Batch) -> tuple[jax.Array]:
        pixels = jnp.asarray(batch["inputs"], jnp.float32)
        return ((pixels - np.float32(self.mean)) / np.float32(self.stddev),)
