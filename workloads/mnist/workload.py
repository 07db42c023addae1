"""MNIST, AlgoPerf's development workload: handwritten digits with a small perceptron."""

import dataclasses
from typing import ClassVar

from workloads.small_pictures.classification import SmallPictureClassification
from workloads.small_pictures.mlp import MLP, MLPConfig


@dataclasses.dataclass(frozen=True)
class MNIST(SmallPictureClassification):
    """Classification of 28x28 grey pictures; metric: accuracy."""

    shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)
    # MNIST's mean and deviation for pixels in 0..1, which AlgoPerf applies to 0..255.
    mean: ClassVar[tuple[float, ...]] = (0.1307,)
    stddev: ClassVar[tuple[float, ...]] = (0.3081,)

    def model(self) -> MLP:
        return MLP(self.config)


SCALES = {
    "full": MNIST(
        name="mnist",
        scale="full",
        config=MLPConfig(),
        batch_size=1024,
        eval_batch_size=10_000,
        step_hint=7813,
    ),
}
VARIANTS: dict[str, dict] = {}
