"""Prodigy: AdamW that estimates its learning rate as it goes (Mishchenko & Defazio 2024)."""

import optax

search_space = {
    "learning_rate": {"feasible_points": [0.5, 1.0, 2.0]},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 1.0, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "horizon": {"feasible_points": [0.75]},
}
self_tuning_point = {
    "learning_rate": 1.0,
    "one_minus_beta1": 0.06734,
    "weight_decay": 0.08122,
    "warmup_factor": 0.02,
    "horizon": 0.75,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.contrib.prodigy(
        learning_rate,
        betas=(1 - hp.one_minus_beta1, 0.9955),
        weight_decay=hp.weight_decay,
        safeguard_warmup=True,  # without it, the estimate is 0/0 at a learning rate of 0
    )
