"""NAdamW, evaluated at the mean of its latest weights, kept in a queue (Sanyal et al. 2023)."""

import optax

from algoperf_lite.optimizers import latest_weights

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
    b1 = 1 - hp.one_minus_beta1
    nadamw = optax.nadamw(learning_rate, b1, b2=0.99, weight_decay=hp.weight_decay)
    return latest_weights.lawa_queue(nadamw, every=workload.step_hint / 100)


eval_params = latest_weights.queue_mean
