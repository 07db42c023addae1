"""LAMB: Adam with each leaf's step in proportion to the leaf (You et al. 2020)."""

import optax

search_space = {
    "learning_rate": {"min": 1e-3, "max": 0.1, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 1.0, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "horizon": {"feasible_points": [0.75]},
}
self_tuning_point = {
    "learning_rate": 1e-2,
    "one_minus_beta1": 0.06734,
    "weight_decay": 0.01,
    "warmup_factor": 0.02,
    "horizon": 0.75,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.lamb(
        learning_rate, 1 - hp.one_minus_beta1, b2=0.9955, weight_decay=hp.weight_decay
    )
