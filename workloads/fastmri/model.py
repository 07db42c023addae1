"""U-Net that turns a zero-filled reconstruction into an image (Ronneberger et al. 2015)."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from workloads.layers import lecun_normal

_INSTANCE_NORM_EPS = 1e-5
_LEAKY_SLOPE = 0.2


@dataclasses.dataclass(frozen=True)
class UNetConfig:
    """Sizes and switches; the defaults are the lite scale.

    Attributes:
      channels: of the first block; they double with every pool.
      num_pools: how often height and width are halved; 2^num_pools divides the image size.
      wide: start with `wide_channels` instead, and have one pool less.
      tanh: in place of LeakyReLU.
      layer_norm: normalise over all of an example, with scale and bias per channel, where
        convolution blocks otherwise have instance norm.
      dtype: see `workloads.layers`; the last convolution, which makes the image, is float32.
    """

    channels: int = 8
    num_pools: int = 3
    wide: bool = False
    wide_channels: int = 12
    tanh: bool = False
    layer_norm: bool = False
    dtype: str = "float32"

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the blocks on the way down, the one at the bottom included."""
        first = self.wide_channels if self.wide else self.channels
        return tuple(first * 2**i for i in range(self.num_pools + (not self.wide)))


class UNet(nn.Module):
    """Images (B, H, W) of images (B, H, W). Submodules carry AlgoPerf's names."""

    config: UNetConfig

    @nn.compact
    def __call__(
        self, x_BxHxW: jax.Array, train: bool, dropout_rate: jax.Array | float
    ) -> jax.Array:
        # AlgoPerf's model has dropout but never gives it the rate: its targets rest on none.
        del train, dropout_rate
        block = functools.partial(ConvBlock, config=self.config)
        *widths, bottom = self.config.widths
        x, skipped = x_BxHxW[..., None].astype(self.config.dtype), []
        for width in widths:
            x = block(width)(x)
            skipped.append(x)
            x = nn.avg_pool(x, (2, 2), strides=(2, 2))
        x = block(bottom)(x)
        for width in reversed(widths):
            x = TransposeConvBlock(width, self.config)(x)
            x = jnp.concatenate([x, skipped.pop()], axis=-1)
            x = block(width)(x)
        return nn.Conv(1, (1, 1), kernel_init=lecun_normal)(x)[..., 0]


class ConvBlock(nn.Module):
    """Twice: 3x3 convolution, norm, activation."""

    width: int
    config: UNetConfig

    @nn.compact
    def __call__(self, x_BxHxWxC: jax.Array) -> jax.Array:
        x = x_BxHxWxC
        for _ in range(2):
            dtype = self.config.dtype
            x = nn.Conv(self.width, (3, 3), use_bias=False, dtype=dtype, kernel_init=lecun_normal)(
                x
            )
            if self.config.layer_norm:
                x = nn.LayerNorm(reduction_axes=(1, 2, 3), feature_axes=-1, dtype=dtype)(x)
            else:
                x = instance_norm(x)
            x = _activation(self.config, x)
        return x


class TransposeConvBlock(nn.Module):
    """Twice the height and width: 2x2 transposed convolution, instance norm, activation."""

    width: int
    config: UNetConfig

    @nn.compact
    def __call__(self, x_BxHxWxC: jax.Array) -> jax.Array:
        x = nn.ConvTranspose(
            self.width,
            (2, 2),
            strides=(2, 2),
            use_bias=False,
            dtype=self.config.dtype,
            kernel_init=lecun_normal,
        )(x_BxHxWxC)
        return _activation(self.config, instance_norm(x))


def instance_norm(x_BxHxWxC: jax.Array) -> jax.Array:
    """Each channel of each example with mean 0 and variance 1 over its pixels."""
    # In two passes: the mean of squares less the square of the mean cancels in float32.
    x = x_BxHxWxC.astype(jnp.float32)
    centred = x - x.mean(axis=(1, 2), keepdims=True)
    variance = jnp.square(centred).mean(axis=(1, 2), keepdims=True)
    return (centred * jax.lax.rsqrt(variance + _INSTANCE_NORM_EPS)).astype(x_BxHxWxC.dtype)


def _activation(config: UNetConfig, x: jax.Array) -> jax.Array:
    return jnp.tanh(x) if config.tanh else nn.leaky_relu(x, _LEAKY_SLOPE)
