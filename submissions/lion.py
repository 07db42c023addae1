"""Lion: the sign of an interpolated momentum (Chen et al. 2023)."""

import optax

search_space = {
    "learning_rate": {"min": 1e-4, "max": 5e-3, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 0.1, "max": 10.0, "scaling": "log"},
    "horizon": {"feasible_points": [1.0]},
}
self_tuning_point = {
    "learning_rate": 2e-3,
    "one_minus_beta1": 0.1,
    "weight_decay": 1.0,
    "horizon": 1.25,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.lion(learning_rate, 1 - hp.one_minus_beta1, weight_decay=hp.weight_decay)
