"""Amos: decay of step and weights by the scale that the model gives them (Tian & Parikh 2022)."""

import jax

from algoperf_lite.optimizers.amos import amos, prior
from algoperf_lite.schedules import constant, over

search_space = {
    "learning_rate": {"min": 1e-3, "max": 0.05, "scaling": "log"},
    "one_minus_beta2": {"min": 1e-3, "max": 3e-2, "scaling": "log"},
}
self_tuning_point = {
    "learning_rate": 5e-3,
    "one_minus_beta2": 4.48e-3,
}


def schedule(workload, hyperparameters):
    # No decay: the algorithm has its own.
    return over(constant(), workload.step_hint, hyperparameters.learning_rate, warmup=0.05)


def optimizer(workload, hyperparameters, learning_rate):
    priors = jax.tree.map(prior, workload.param_shapes, workload.model_params_types)
    return amos(learning_rate, priors, 1 - hyperparameters.one_minus_beta2)
