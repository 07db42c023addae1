"""NAdamW in cycles of linear warmup and cosine decay (Loshchilov & Hutter 2017; Smith 2017)."""

import optax

from algoperf_lite.schedules import cosine, join, over

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
CYCLES = 2


def schedule(workload, hyperparameters):
    steps = hyperparameters.horizon * workload.step_hint / CYCLES
    cycle = over(cosine(), steps, hyperparameters.learning_rate, warmup=0.05)
    return join([cycle] * CYCLES, [steps * i for i in range(1, CYCLES)])


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    b1 = 1 - hp.one_minus_beta1
    return optax.nadamw(learning_rate, b1, b2=0.99, weight_decay=hp.weight_decay)
