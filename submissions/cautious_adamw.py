"""Cautious AdamW: no step against the current gradient (Liang et al. 2024)."""

import optax

from algoperf_lite.optimizers.cautious import cautious

search_space = {
    "learning_rate": {"min": 5e-4, "max": 3e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-2, "max": 1.0, "scaling": "log"},
    "horizon": {"feasible_points": [1.0]},
}
self_tuning_point = {
    "learning_rate": 1e-2,
    "one_minus_beta1": 0.1,
    "weight_decay": 0.1,
    "horizon": 1.25,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.chain(
        cautious(optax.scale_by_adam(1 - hp.one_minus_beta1, b2=0.99)),
        optax.add_decayed_weights(hp.weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )
