"""ResNet-50 (He et al. 2016) with the stride in the 3x3 convolution, known as v1.5.

Shape suffixes: B batch, H and W picture, C channels.
"""

import dataclasses
import functools

import flax.linen as nn
import jax

from workloads.layers import lecun_normal

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
    """

    image_size: int = 224
    num_classes: int = 1000
    stage_sizes: tuple[int, ...] = (3, 4, 6, 3)
    num_filters: int = 64
    stem_size: int = 7
    stem_pool: bool = True
    activation: str = "relu"
    last_scale_init: float = 0.0


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
        for stage, num_blocks in enumerate(cfg.stage_sizes):
            for block in range(num_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = Bottleneck(cfg, cfg.num_filters * 2**stage, stride)(x, train)
        x_BxC = x.mean(axis=(1, 2))
        return nn.Dense(cfg.num_classes, kernel_init=nn.initializers.normal(), name="head")(x_BxC)

    def _stem(self, x: jax.Array, train: bool) -> jax.Array:
        cfg = self.config
        kernel, padding = (cfg.stem_size,) * 2, [(cfg.stem_size // 2,) * 2] * 2
        x = _Conv(cfg.num_filters, kernel, (2, 2), padding, name="Conv_init")(x)
        x = getattr(nn, cfg.activation)(_batch_norm(train, name="BatchNorm_init")(x))
        # Not "SAME": on an even picture its windows would start one pixel later than AlgoPerf's.
        return nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1))) if cfg.stem_pool else x


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, four times as many channels at the end, and a shortcut."""

    config: ResNetConfig
    filters: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        activation = getattr(nn, self.config.activation)
        features, strides = _EXPANSION * self.filters, (self.stride, self.stride)
        y = activation(_batch_norm(train)(_Conv(self.filters, (1, 1))(x)))
        y = activation(_batch_norm(train)(_Conv(self.filters, (3, 3), strides)(y)))
        y = _Conv(features, (1, 1))(y)
        y = _batch_norm(train, nn.initializers.constant(self.config.last_scale_init))(y)
        if x.shape != y.shape:
            x = _Conv(features, (1, 1), strides, name="Conv_proj")(x)
            x = _batch_norm(train, name="BatchNorm_proj")(x)
        return activation(x + y)


def _batch_norm(
    train: bool,
    scale_init: nn.initializers.Initializer = nn.initializers.ones,
    name: str | None = None,
) -> nn.BatchNorm:
    return nn.BatchNorm(
        use_running_average=not train, momentum=0.9, epsilon=1e-5, scale_init=scale_init, name=name
    )
