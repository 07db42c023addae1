"""NAdamW with linear warmup and cosine decay to a tenth of the peak: the reference submission."""

import optax

search_space = {
    "learning_rate": {"min": 5e-4, "max": 3e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "one_minus_beta2": {"feasible_points": [0.01]},
    "weight_decay": {"min": 1e-2, "max": 1.0, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.05]},
    "horizon": {"feasible_points": [1.0]},
}
self_tuning_point = {
    "learning_rate": 1e-2,
    "one_minus_beta1": 0.1,
    "one_minus_beta2": 0.01,
    "weight_decay": 0.1,
    "warmup_factor": 0.05,
    "horizon": 1.25,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    b1, b2 = 1 - hp.one_minus_beta1, 1 - hp.one_minus_beta2
    return optax.nadamw(learning_rate, b1, b2, weight_decay=hp.weight_decay)
