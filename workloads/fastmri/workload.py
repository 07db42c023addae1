"""Reconstruction of accelerated scans with a U-Net; lite generates bodies and scans them."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, LossType, PyTree
from workloads.fastmri import data
from workloads.fastmri.model import UNet, UNetConfig
from workloads.fastmri.ssim import ssim
from workloads.linen import LinenWorkload
from workloads.losses import weighted_loss


@dataclasses.dataclass(frozen=True)
class FastMRI(LinenWorkload):
    """The image of a whole k-space from that of a quarter of its columns; metric: mean SSIM.

    Attributes:
      image_size: pixels along each axis.
    """

    image_size: int = data.SIZE

    loss_type: ClassVar[LossType] = LossType.MEAN_ABSOLUTE_ERROR
    target_metric_name: ClassVar[str] = "ssim"
    output_layer: ClassVar[str] = "Conv_0"

    def model(self) -> UNet:
        return UNet(self.config)

    def example_batch(self) -> Batch:
        return {"inputs": np.zeros((1, self.image_size, self.image_size), np.float32)}

    def loss_fn(
        self,
        label_batch: Array,
        logits_batch: Array,
        mask_batch: Array | None = None,
        label_smoothing: Array | float = 0.0,
    ) -> dict[str, Array]:
        """AlgoPerf's loss dictionary; labels and logits are (batch, height, width)."""
        del label_smoothing  # ignored, as in AlgoPerf
        return weighted_loss(_absolute_error(logits_batch, label_batch), mask_batch)

    def dataset(self, split: str) -> dict[str, np.ndarray]:
        self.require_lite()
        return data.examples(split)

    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        logits = self.logits(params, batch, model_state, rng)
        # SSIM is of images in the scanner's units, whose range is the volume's.
        mean, std = (batch[name][:, None, None] for name in ("mean", "std"))
        images = (image * std + mean for image in (logits, batch["targets"]))
        return {
            "ssim": ssim(*images, batch["volume_max"]),
            "loss": _absolute_error(logits, batch["targets"]),
        }


def _absolute_error(logits_BxHxW: Array, targets_BxHxW: Array) -> Array:
    """Mean over pixels (B,) of the absolute difference."""
    return jnp.abs(logits_BxHxW - targets_BxHxW).mean(axis=(1, 2))


SCALES = {
    "lite": FastMRI(
        name="fastmri",
        scale="lite",
        config=UNetConfig(),
        batch_size=12,
        eval_batch_size=64,
        step_hint=3000,
    ),
    "full": FastMRI(
        name="fastmri",
        scale="full",
        config=UNetConfig(channels=32, num_pools=4, wide_channels=64),
        batch_size=32,
        eval_batch_size=256,
        step_hint=18_094,
        image_size=320,
    ),
}
VARIANTS: dict[str, dict] = {
    "model_size": {"wide": True},
    "tanh": {"tanh": True},
    "layernorm": {"layer_norm": True},
}
