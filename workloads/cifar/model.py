"""ResNet-18 for pictures of 32x32: basic blocks, no pooling at the start (He et al. 2016).

Shape suffixes: B batch, H and W picture, C channels.
"""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from workloads.layers import batch_norm, lecun_normal


@dataclasses.dataclass(frozen=True)
class CifarConfig:
    """Sizes and switches; the defaults are AlgoPerf's.

    Attributes:
      stage_sizes: blocks per stage; a stage has twice the filters of the one before and, from the
        second on, half the resolution.
      last_scale_init: initial scale of the last batch norm of each block; 0 makes every block
        the identity (or its projection) at first (Goyal et al. 2017).
      dtype: see `workloads.layers`.
    """

    num_classes: int = 10
    stage_sizes: tuple[int, ...] = (2, 2, 2, 2)
    num_filters: int = 64
    last_scale_init: float = 0.0
    dtype: str = "float32"


# Batch norm follows every convolution and would subtract a bias at once.
_Conv = functools.partial(nn.Conv, use_bias=False, kernel_init=lecun_normal)


class ResNet18(nn.Module):
    """Logits (B, classes) of standardised pictures."""

    config: CifarConfig

    @nn.compact
    def __call__(
        self, x_BxHxWxC: jax.Array, train: bool, dropout_rate: jax.Array | float
    ) -> jax.Array:
        del dropout_rate  # no dropout
        cfg = self.config
        x = _Conv(cfg.num_filters, (3, 3), dtype=cfg.dtype, name="Conv_init")(x_BxHxWxC)
        x = nn.relu(batch_norm(cfg.dtype, train, name="BatchNorm_init")(x))
        for stage, num_blocks in enumerate(cfg.stage_sizes):
            for block in range(num_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = BasicBlock(cfg, cfg.num_filters * 2**stage, stride)(x, train)
        x_BxC = x.mean(axis=(1, 2), dtype=jnp.float32)
        return nn.Dense(cfg.num_classes, name="head")(x_BxC)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    config: CifarConfig
    filters: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        cfg, strides = self.config, (self.stride, self.stride)
        conv = functools.partial(_Conv, self.filters, dtype=cfg.dtype)
        norm = functools.partial(batch_norm, cfg.dtype, train)
        # Padded by one on each side: "SAME" would start one pixel later where the stride is 2.
        y = conv((3, 3), strides, padding=1)(x)
        y = conv((3, 3))(nn.relu(norm()(y)))
        y = norm(nn.initializers.constant(cfg.last_scale_init))(y)
        if x.shape != y.shape:
            x = conv((1, 1), strides, name="Conv_proj")(x)
            x = norm(name="BatchNorm_proj")(x)
        return nn.relu(x + y)
