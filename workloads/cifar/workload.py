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
        edge = (_PADDING, _PADDING)
        padded_BxHxWxC = jnp.pad(batch["inputs"], ((0, 0), edge, edge, (0, 0)))
        num_pictures = len(padded_BxHxWxC)
        shifts_Bx2 = jax.random.randint(shift_key, (num_pictures, 2), 0, 2 * _PADDING + 1)
        flips_B = jax.random.bernoulli(flip_key, shape=(num_pictures,))

        def change(image_HxWxC: Array, shift: Array, flip: Array) -> jax.Array:
            crop = jax.lax.dynamic_slice(image_HxWxC, (shift[0], shift[1], 0), self.shape)
            return jnp.where(flip, crop[:, ::-1], crop)

        inputs = jax.vmap(change)(padded_BxHxWxC, shifts_Bx2, flips_B)
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
