"""NAdamW, evaluated at a moving average of its latest weights (Sanyal et al. 2023)."""

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
    inner = optax.nadamw(
        learning_rate, 1 - hp.one_minus_beta1, b2=0.99, weight_decay=hp.weight_decay
    )
    return latest_weights.lawa_ema(inner, every=workload.step_hint / 200)


eval_params = latest_weights.ema_mean
