"""AlgoPerf's multilayer perceptron for MNIST."""

import dataclasses

import flax.linen as nn
import jax


@dataclasses.dataclass(frozen=True)
class MLPConfig:
    """Sizes: width of the hidden layer, classes."""

    hidden: int = 128
    num_classes: int = 10


class MLP(nn.Module):
    """Logits (B, classes) of standardised pictures: one hidden layer of sigmoids."""

    config: MLPConfig

    @nn.compact
    def __call__(
        self, x_BxHxWxC: jax.Array, train: bool, dropout_rate: jax.Array | float
    ) -> jax.Array:
        del train, dropout_rate  # neither batch norm nor dropout
        x_BxP = x_BxHxWxC.reshape(len(x_BxHxWxC), -1)
        h_BxD = nn.sigmoid(nn.Dense(self.config.hidden)(x_BxP))
        return nn.Dense(self.config.num_classes, name="head")(h_BxD)
