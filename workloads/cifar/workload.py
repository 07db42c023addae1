"""CIFAR-10, AlgoPerf's larger development workload: small photographs with a ResNet-18."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from algoperf_lite.spec import Array, Batch
from workloads.cifar.model import CifarConfig, ResNet18
from workloads.small_pictures.classification import SmallPictureClassification

_PADDING = 2  # pixels on each side


@dataclasses.dataclass(frozen=True)
class Cifar(SmallPictureClassification):
    """Classification of 32x32 coloured pictures; metric: accuracy."""

    shape: ClassVar[tuple[int, int, int]] = (32, 32, 3)
    mean: ClassVar[tuple[float, ...]] = (0.4914 * 255, 0.4822 * 255, 0.4465 * 255)
    stddev: ClassVar[tuple[float, ...]] = (0.2470 * 255, 0.2435 * 255, 0.2616 * 255)

    def model(self) -> ResNet18:
        return ResNet18(self.config)

    def augment(self, batch: Batch, rng: Array) -> Batch:
        """Crops of the picture with two black pixels on each side; half of them mirrored."""
        shift_key, flip_key = jax.random.split(rng)
        x_BxHxWxC = batch["inputs"]
        shifts_Bx2 = jax.random.randint(shift_key, (len(x_BxHxWxC), 2), 0, 2 * _PADDING + 1)
        flips_B = jax.random.bernoulli(flip_key, shape=(len(x_BxHxWxC),))
        # A choice among slices, one axis after the other: slices at traced places would be a loop
        # over the examples on a TPU.
        for axis in (1, 2):
            edges = [(_PADDING, _PADDING) if i == axis else (0, 0) for i in range(4)]
            padded, size = jnp.pad(x_BxHxWxC, edges), x_BxHxWxC.shape[axis]
            shift = shifts_Bx2[:, axis - 1, None, None, None]
            x_BxHxWxC = jnp.select(
                [shift == start for start in range(2 * _PADDING + 1)],
                [
                    jax.lax.slice_in_dim(padded, start, start + size, axis=axis)
                    for start in range(2 * _PADDING + 1)
                ],
            )
        inputs = jnp.where(flips_B[:, None, None, None], x_BxHxWxC[:, :, ::-1], x_BxHxWxC)
        return {**batch, "inputs": inputs}


SCALES = {
    "full": Cifar(
        name="cifar",
        scale="full",
        config=CifarConfig(),
        batch_size=128,
        eval_batch_size=1024,
        step_hint=4883,
    ),
}
VARIANTS: dict[str, dict] = {}
