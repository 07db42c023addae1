"""Adafactor with momentum and without relative steps (Shazeer & Stern 2018; Zhai et al. 2022)."""

import optax

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
    return optax.adafactor(
        learning_rate,
        min_dim_size_to_factor=32,  # optax's 128 would factor nothing in a small model
        multiply_by_parameter_scale=False,
        momentum=1 - hp.one_minus_beta1,
        # optax adds it after the learning rate.
        weight_decay_rate=lambda step: hp.weight_decay * learning_rate(step),
    )
