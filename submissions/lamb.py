"""LAMB: Adam with each leaf's step in proportion to the leaf (You et al. 2020)."""

import optax

search_space = {
    "learning_rate": {"min": 3e-3, "max": 0.1, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 0.3, "scaling": "log"},
    "horizon": {"feasible_points": [1.0]},
}
self_tuning_point = {
    "learning_rate": 2e-2,
    "one_minus_beta1": 0.1,
    "weight_decay": 0.01,
    "horizon": 1.25,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.lamb(learning_rate, 1 - hp.one_minus_beta1, b2=0.99, weight_decay=hp.weight_decay)
