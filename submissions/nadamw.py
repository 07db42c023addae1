"""NAdamW with linear warmup and cosine decay: the reference submission."""

import optax

from algoperf_lite.schedules import cosine, over

search_space = {
    "learning_rate": {"min": 5e-4, "max": 3e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-2, "max": 1.0, "scaling": "log"},
}
self_tuning_point = {"learning_rate": 5e-3, "one_minus_beta1": 0.1, "weight_decay": 0.1}


def optimizer(workload, hyperparameters):
    hp = hyperparameters
    schedule = over(cosine(), workload.step_hint, hp.learning_rate, warmup=0.05)
    return optax.nadamw(schedule, b1=1 - hp.one_minus_beta1, weight_decay=hp.weight_decay)
