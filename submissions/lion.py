"""Lion: the sign of an interpolated momentum (Chen et al. 2023)."""

import optax

search_space = {
    "learning_rate": {"min": 2e-5, "max": 2e-3, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "weight_decay": {"min": 1e-2, "max": 10.0, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "horizon": {"feasible_points": [0.75]},
}
self_tuning_point = {
    "learning_rate": 3e-4,
    "one_minus_beta1": 0.1,
    "weight_decay": 0.5,
    "warmup_factor": 0.02,
    "horizon": 0.75,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.lion(learning_rate, 1 - hp.one_minus_beta1, weight_decay=hp.weight_decay)
