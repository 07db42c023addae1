"""ADOPT: the second moment normalises a gradient before that enters it (Taniguchi et al. 2024)."""

import optax

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
    return optax.chain(
        # The published b2 of 0.9999 would keep the first gradient's size for the whole of a run.
        optax.contrib.scale_by_adopt(1 - hp.one_minus_beta1, b2=0.99),
        optax.add_decayed_weights(hp.weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )
