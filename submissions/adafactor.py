"""Adafactor with momentum and without relative steps (Shazeer & Stern 2018; Zhai et al. 2022)."""

import optax

search_space = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 1.0, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "horizon": {"feasible_points": [0.75]},
}
self_tuning_point = {
    "learning_rate": 1.7486e-3,
    "one_minus_beta1": 0.06734,
    "weight_decay": 0.08122,
    "warmup_factor": 0.02,
    "horizon": 0.75,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.adafactor(
        learning_rate,
        min_dim_size_to_factor=32,  # optax's 128 would factor nothing in a small model
        multiply_by_parameter_scale=False,
        momentum=1 - hp.one_minus_beta1,
        # optax adds it after the learning rate.
        weight_decay_rate=lambda step: hp.weight_decay * learning_rate(step),
    )
