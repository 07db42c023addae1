"""NAdamW with a tuned power of the second moment, from momentum to Adam (Chen & Gu 2018)."""

import optax

from algoperf_lite.optimizers.padam import scale_by_power

search_space = {
    "learning_rate": {"min": 5e-4, "max": 3e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-2, "max": 1.0, "scaling": "log"},
    "power": {"min": 0.4, "max": 0.5, "scaling": "linear"},
    "horizon": {"feasible_points": [1.0]},
}
self_tuning_point = {
    "learning_rate": 1e-2,
    "one_minus_beta1": 0.1,
    "weight_decay": 0.1,
    "power": 0.48,
    "horizon": 1.25,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.chain(
        scale_by_power(1 - hp.one_minus_beta1, 0.99, hp.power, nesterov=True),
        optax.add_decayed_weights(hp.weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )
