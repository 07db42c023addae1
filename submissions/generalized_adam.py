"""NAdamW with a tuned power of the second moment, from momentum to Adam (Chen & Gu 2018)."""

import optax

from algoperf_lite.optimizers.padam import scale_by_power

search_space = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 1.0, "scaling": "log"},
    "power": {"min": 0.4, "max": 0.5, "scaling": "linear"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "horizon": {"feasible_points": [0.75]},
}
self_tuning_point = {
    "learning_rate": 1.7486e-3,
    "one_minus_beta1": 0.06734,
    "weight_decay": 0.08122,
    "power": 0.48,
    "warmup_factor": 0.02,
    "horizon": 0.75,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.chain(
        scale_by_power(1 - hp.one_minus_beta1, 0.9955, hp.power, nesterov=True),
        optax.add_decayed_weights(hp.weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )
