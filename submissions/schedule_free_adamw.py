"""Schedule-Free AdamW: averages instead of a decaying learning rate (Defazio et al. 2024)."""

import optax

from algoperf_lite.schedules import constant, over

search_space = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 1.0, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
}
self_tuning_point = {
    "learning_rate": 2.5e-3,
    "one_minus_beta1": 0.1,
    "weight_decay": 0.08122,
    "warmup_factor": 0.02,
}


def schedule(workload, hyperparameters):
    hp = hyperparameters
    return over(constant(), workload.step_hint, hp.learning_rate, hp.warmup_factor)


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.contrib.schedule_free_adamw(
        learning_rate, b1=1 - hp.one_minus_beta1, b2=0.9955, weight_decay=hp.weight_decay
    )


eval_params = optax.contrib.schedule_free_eval_params
