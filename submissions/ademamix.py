"""AdEMAMix: AdamW with a second, slow average of gradients (Pagliardini et al. 2024)."""

import jax.numpy as jnp
import optax

search_space = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "one_minus_beta3": {"min": 1e-3, "max": 1e-2, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 1.0, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "horizon": {"feasible_points": [0.75]},
}
self_tuning_point = {
    "learning_rate": 1e-3,
    "one_minus_beta1": 0.06734,
    "one_minus_beta3": 3e-3,
    "weight_decay": 0.08122,
    "warmup_factor": 0.02,
    "horizon": 0.75,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    b1, b3 = 1 - hp.one_minus_beta1, 1 - hp.one_minus_beta3

    def progress(step):
        return jnp.minimum(step / (hp.horizon * workload.step_hint), 1.0)

    def slow(step):  # the half-life grows evenly from b1's to b3's
        return jnp.exp(1 / ((1 - progress(step)) / jnp.log(b1) + progress(step) / jnp.log(b3)))

    def alpha(step):  # the slow average comes in linearly
        return 5.0 * progress(step)

    return optax.contrib.ademamix(
        learning_rate, b1, 0.9955, slow, alpha, weight_decay=hp.weight_decay
    )
