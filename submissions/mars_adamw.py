"""MARS-AdamW: gradients corrected by their last change (Yuan et al. 2024)."""

from algoperf_lite.optimizers.mars import mars_adamw

search_space = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 1.0, "scaling": "log"},
    "gamma": {"min": 1e-2, "max": 0.1, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "horizon": {"feasible_points": [0.75]},
}
self_tuning_point = {
    "learning_rate": 1.7486e-3,
    "one_minus_beta1": 0.06734,
    "weight_decay": 0.08122,
    "gamma": 0.025,
    "warmup_factor": 0.02,
    "horizon": 0.75,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    b1 = 1 - hp.one_minus_beta1
    return mars_adamw(learning_rate, b1, gamma=hp.gamma, weight_decay=hp.weight_decay)
