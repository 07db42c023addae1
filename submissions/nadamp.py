"""NAdamP: AdamP's projected steps with Nesterov momentum (Heo et al. 2021; Dozat 2016)."""

from algoperf_lite.optimizers.adamp import adamp

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
    return adamp(learning_rate, b1, 0.99, weight_decay=hp.weight_decay, nesterov=True)
