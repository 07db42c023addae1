"""AlgoPerf's multilayer perceptron for MNIST."""

import dataclasses

import flax.linen as nn
import jax

from workloads.layers import Dense


@dataclasses.dataclass(frozen=True)
class MLPConfig:
    """Sizes: width of the hidden layer, classes; `dtype` as in `workloads.layers`."""

    hidden: int = 128
    num_classes: int = 10
    dtype: str = "float32"


class MLP(nn.Module):
    """Logits (B, classes) of standardised pictures: one hidden layer of sigmoids."""

    config: MLPConfig

    @nn.compact
    def __call__(
        self, x_BxHxWxC: jax.Array, train: bool, dropout_rate: jax.Array | float
    ) -> jax.Array:
        del train, dropout_rate  # neither batch norm nor dropout
        x_BxP = x_BxHxWxC.reshape(len(x_BxHxWxC), -1)
        h_BxD = nn.sigmoid(Dense(self.config.hidden, dtype=self.config.dtype)(x_BxP))
        return nn.Dense(self.config.num_classes, name="head")(h_BxD)
