"""ResNet-50 (He et al. 2016) with the stride in the 3x3 convolution, known as v1.5.

Shape suffixes: B batch, H and W picture, C channels.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.extend
import jax.numpy as jnp

from workloads.layers import batch_norm, lecun_normal, recomputed

_EXPANSION = 4  # channels that leave a block over those inside it


@dataclasses.dataclass(frozen=True)
class ResNetConfig:
    """Sizes and switches; the defaults are AlgoPerf's, i.e. the full scale.

    Attributes:
      stage_sizes: blocks per stage; a stage has twice the filters of the one before and, from the
        second on, half the resolution.
      stem_size: width of the first convolution, whose stride is 2.
      stem_pool: whether a max pool halves the resolution again.
      activation: of `flax.linen`, by name.
      last_scale_init: initial scale of the last batch norm of each block; 0 makes every block
        the identity (or its projection) at first (Goyal et al. 2017).
      dtype: see `workloads.layers`.
      remat: whether norms and activations are computed again in the backward pass, which then needs
        the outputs of convolutions alone.
    """

    image_size: int = 224
    num_classes: int = 1000
    stage_sizes: tuple[int, ...] = (3, 4, 6, 3)
    num_filters: int = 64
    stem_size: int = 7
    stem_pool: bool = True
    activation: str = "relu"
    last_scale_init: float = 0.0
    dtype: str = "float32"
    remat: bool = True


# Batch norm follows every convolution and would subtract a bias at once.
_Conv = functools.partial(nn.Conv, use_bias=False, kernel_init=lecun_normal)


class ResNet(nn.Module):
    """Logits (B, classes) of standardised pictures."""

    config: ResNetConfig

    @nn.compact
    def __call__(
        self, x_BxHxWxC: jax.Array, train: bool, dropout_rate: jax.Array | float
    ) -> jax.Array:
        del dropout_rate  # no dropout
        cfg = self.config
        x = self._stem(x_BxHxWxC, train)
        for number, num_blocks in enumerate(cfg.stage_sizes):
            filters = cfg.num_filters * 2**number
            strides = [2 if number > 0 and block == 0 else 1 for block in range(num_blocks)]
            stage = Stage([Bottleneck(cfg, filters, stride) for stride in strides])
            x = recomputed(stage, lambda stage, x: stage(x, train), x, cfg.remat, _is_conv)
        x_BxC = x.mean(axis=(1, 2), dtype=jnp.float32)
        return nn.Dense(cfg.num_classes, kernel_init=nn.initializers.normal(), name="head")(x_BxC)

    def _stem(self, x: jax.Array, train: bool) -> jax.Array:
        cfg = self.config
        kernel, padding = (cfg.stem_size,) * 2, [(cfg.stem_size // 2,) * 2] * 2
        conv = _Conv(cfg.num_filters, kernel, (2, 2), padding, dtype=cfg.dtype, name="Conv_init")
        x = getattr(nn, cfg.activation)(
            batch_norm(cfg.dtype, train, name="BatchNorm_init")(conv(x))
        )
        # Not "SAME": on an even picture its windows would start one pixel later than AlgoPerf's.
        return nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1))) if cfg.stem_pool else x


class Stage(nn.Module):
    """Blocks one after another; they, and so their parameters, are those of who makes the stage."""

    blocks: Sequence[nn.Module]

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        for block in self.blocks:
            x = block(x, train)
        return x


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, four times as many channels at the end, and a shortcut."""

    config: ResNetConfig
    filters: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        cfg = self.config
        activation = getattr(nn, cfg.activation)
        conv = functools.partial(_Conv, dtype=cfg.dtype)
        norm = functools.partial(batch_norm, cfg.dtype, train)
        features, strides = _EXPANSION * self.filters, (self.stride, self.stride)
        y = activation(norm()(conv(self.filters, (1, 1))(x)))
        y = activation(norm()(conv(self.filters, (3, 3), strides)(y)))
        y = norm(nn.initializers.constant(cfg.last_scale_init))(conv(features, (1, 1))(y))
        if x.shape != y.shape:
            x = conv(features, (1, 1), strides, name="Conv_proj")(x)
            x = norm(name="BatchNorm_proj")(x)
        return activation(x + y)


def _is_conv(operation: jax.extend.core.Primitive, *args: Any, **params: Any) -> bool:
    return operation is jax.lax.conv_general_dilated_p
