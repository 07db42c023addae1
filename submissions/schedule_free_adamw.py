"""Schedule-Free AdamW: averages instead of a decaying learning rate (Defazio et al. 2024)."""

import optax

from algoperf_lite.schedules import constant, over

search_space = {
    "learning_rate": {"min": 5e-4, "max": 3e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-2, "max": 1.0, "scaling": "log"},
}
self_tuning_point = {
    "learning_rate": 1e-2,
    "one_minus_beta1": 0.1,
    "weight_decay": 0.1,
}


def schedule(workload, hyperparameters):
    return over(constant(), workload.step_hint, hyperparameters.learning_rate, warmup=0.05)


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.contrib.schedule_free_adamw(
        learning_rate, b1=1 - hp.one_minus_beta1, b2=0.99, weight_decay=hp.weight_decay
    )


eval_params = optax.contrib.schedule_free_eval_params
