"""Image classification with a ViT-S/16; lite sorts drawn 16x16 pictures into 16 classes."""

import dataclasses

import jax
import jax.numpy as jnp

from algoperf_lite.spec import Array, Batch
from workloads.imagenet_pictures import augmentation, data
from workloads.imagenet_pictures.classification import PictureClassification
from workloads.imagenet_vit.model import ViT, ViTConfig


@dataclasses.dataclass(frozen=True)
class ImagenetViT(PictureClassification):
    """Pictures with a vision transformer; metric: accuracy."""

    def model(self) -> ViT:
        return ViT(self.config)

    def augment(self, batch: Batch, rng: Array) -> Batch:
        """Random crops and flips, RandAugment and mixup; targets become probabilities.

        At full scale all but mixup are made while reading.
        """
        pixels_key, mixup_key = jax.random.split(rng)
        if self.scale == "full":
            pixels = jnp.asarray(batch["inputs"], jnp.float32)
        else:
            pixels = augmentation.rand_augment(batch["inputs"], pixels_key)
        one_hot = jax.nn.one_hot(batch["targets"], self.config.num_classes)
        inputs, targets = augmentation.mixup(pixels, one_hot, mixup_key)
        return {**batch, "inputs": inputs, "targets": targets}


SCALES = {
    "lite": ImagenetViT(
        name="imagenet_vit",
        scale="lite",
        config=ViTConfig(
            image_size=data.SIZE,
            num_classes=data.NUM_CLASSES,
            patch_size=4,
            d_model=64,
            num_layers=2,
            num_heads=2,
            mlp_hidden=128,
            remat=False,
        ),
        batch_size=128,
        eval_batch_size=256,
        step_hint=3600,
    ),
    "full": ImagenetViT(
        name="imagenet_vit",
        scale="full",
        config=ViTConfig(),
        batch_size=1024,
        eval_batch_size=2048,
        step_hint=167_999,
    ),
}
VARIANTS: dict[str, dict] = {
    "glu": {"gated_mlp": True},
    "post_ln": {"post_ln": True},
    "map": {"attention_pooling": True},
}
