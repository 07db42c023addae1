"""Fashion-MNIST: pieces of clothing in the form of MNIST, which Debian ships."""

import dataclasses
from typing import ClassVar

from workloads.small_pictures.classification import SmallPictureClassification
from workloads.small_pictures.mlp import MLP, MLPConfig


@dataclasses.dataclass(frozen=True)
class FashionMNIST(SmallPictureClassification):
    """Classification of 28x28 grey pictures; metric: accuracy."""

    shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)
    # Of all pixels of the 60,000 training pictures.
    mean: ClassVar[tuple[float, ...]] = (72.94,)
    stddev: ClassVar[tuple[float, ...]] = (90.02,)

    def model(self) -> MLP:
        return MLP(self.config)


SCALES = {
    "full": FashionMNIST(
        name="fashion_mnist",
        scale="full",
        config=MLPConfig(),
        batch_size=1024,
        eval_batch_size=10_000,
        step_hint=7813,
    ),
}
VARIANTS: dict[str, dict] = {}
