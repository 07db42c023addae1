"""AdamW on a warmup-stable-decay schedule with a 1-sqrt cooldown (MiniCPM; Haegele et al. 2024)."""

import optax

from algoperf_lite.schedules import over, wsd

search_space = {
    "learning_rate": {"min": 5e-4, "max": 3e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-2, "max": 1.0, "scaling": "log"},
    "horizon": {"feasible_points": [1.0]},
}
self_tuning_point = {
    "learning_rate": 5e-3,
    "one_minus_beta1": 0.1,
    "weight_decay": 0.1,
    "horizon": 1.25,
}


def schedule(workload, hyperparameters):
    hp = hyperparameters
    return over(wsd(decay=0.2), hp.horizon * workload.step_hint, hp.learning_rate, warmup=0.05)


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.adamw(learning_rate, 1 - hp.one_minus_beta1, b2=0.99, weight_decay=hp.weight_decay)
