"""A small convolutional network for 8x8 grey images."""

import dataclasses

import flax.linen as nn
import jax

from workloads.layers import Conv, Dense


@dataclasses.dataclass(frozen=True)
class DigitsConfig:
    """Sizes: channels of the two convolutions, width of the hidden layer, classes.

    Attributes:
      dtype: see `workloads.layers`.
    """

    channels: tuple[int, int] = (32, 64)
    hidden: int = 128
    num_classes: int = 10
    dtype: str = "float32"


class ConvNet(nn.Module):
    """Two (convolution, ReLU, average pool) blocks and two dense layers."""

    config: DigitsConfig

    @nn.compact
    def __call__(
        self, x_BxHxWxC: jax.Array, train: bool, dropout_rate: jax.Array | float
    ) -> jax.Array:
        del train, dropout_rate  # neither batch norm nor dropout
        x, dtype = x_BxHxWxC, self.config.dtype
        for channels in self.config.channels:
            x = nn.relu(Conv(channels, (3, 3), dtype=dtype)(x))
            x = nn.avg_pool(x, (2, 2), strides=(2, 2))
        x = nn.relu(Dense(self.config.hidden, dtype=dtype)(x.reshape(x.shape[0], -1)))
        return nn.Dense(self.config.num_classes, name="output")(x)
