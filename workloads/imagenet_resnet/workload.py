"""Image classification with ResNet-50; lite sorts drawn 16x16 pictures into 16 classes."""

import dataclasses

from algoperf_lite.spec import Array, Batch
from workloads.imagenet_pictures import augmentation, data
from workloads.imagenet_pictures.classification import PictureClassification
from workloads.imagenet_resnet.model import ResNet, ResNetConfig


@dataclasses.dataclass(frozen=True)
class ImagenetResNet(PictureClassification):
    """Pictures with a residual network; metric: accuracy."""

    def model(self) -> ResNet:
        return ResNet(self.config)

    def augment(self, batch: Batch, rng: Array) -> Batch:
        """Random crops and horizontal flips; at full scale they are made while reading."""
        if self.scale == "full":
            return batch
        maps = augmentation.crop_and_flip(rng, len(batch["inputs"]))
        return {**batch, "inputs": augmentation.resample(batch["inputs"], maps)}


SCALES = {
    "lite": ImagenetResNet(
        name="imagenet_resnet",
        scale="lite",
        config=ResNetConfig(
            image_size=data.SIZE,
            num_classes=data.NUM_CLASSES,
            stage_sizes=(1, 2, 1),
            num_filters=8,
            stem_size=3,
            stem_pool=False,
            remat=False,
        ),
        batch_size=64,
        eval_batch_size=256,
        step_hint=4800,
    ),
    "full": ImagenetResNet(
        name="imagenet_resnet",
        scale="full",
        config=ResNetConfig(),
        batch_size=1024,
        eval_batch_size=1024,
        step_hint=195_999,
    ),
}
VARIANTS: dict[str, dict] = {
    "silu": {"activation": "silu"},
    "gelu": {"activation": "gelu"},
    "large_bn_init": {"last_scale_init": 8.0},
}
