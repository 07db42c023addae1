"""SOAP, Adam in Shampoo's eigenbasis: linear warmup, cosine decay to a tenth of the peak."""

from algoperf_lite.optimizers.soap import soap

search_space = {
    "learning_rate": {"min": 5e-4, "max": 3e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-2, "max": 1.0, "scaling": "log"},
    "horizon": {"feasible_points": [1.0]},
}
self_tuning_point = {
    "learning_rate": 5e-3,
    "one_minus_beta1": 0.1,
    "weight_decay": 0.1,
    "horizon": 1.25,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return soap(learning_rate, 1 - hp.one_minus_beta1, weight_decay=hp.weight_decay)
