"""NAdamW in cycles of linear warmup and cosine decay (Loshchilov & Hutter 2017; Smith 2017)."""

import optax

from algoperf_lite.schedules import cosine, join, over

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
CYCLES = 2


def schedule(workload, hyperparameters):
    steps = hyperparameters.horizon * workload.step_hint / CYCLES
    cycle = over(cosine(), steps, hyperparameters.learning_rate, hyperparameters.warmup_factor)
    return join([cycle] * CYCLES, [steps * i for i in range(1, CYCLES)])


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    b1 = 1 - hp.one_minus_beta1
    return optax.nadamw(learning_rate, b1, b2=0.9955, weight_decay=hp.weight_decay)
