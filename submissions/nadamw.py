"""NAdamW, linear warmup and cosine decay, at the point of AlgoPerf's baseline: the reference."""

import optax

search_space = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "one_minus_beta2": {"min": 1e-3, "max": 0.5, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 1.0, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "horizon": {"feasible_points": [0.75]},
}
self_tuning_point = {
    "learning_rate": 1.7486e-3,
    "one_minus_beta1": 0.06734,
    "one_minus_beta2": 4.48e-3,
    "weight_decay": 0.08122,
    "warmup_factor": 0.02,
    "horizon": 0.75,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    b1, b2 = 1 - hp.one_minus_beta1, 1 - hp.one_minus_beta2
    return optax.nadamw(learning_rate, b1, b2, weight_decay=hp.weight_decay)
