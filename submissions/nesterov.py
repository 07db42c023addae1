"""SGD with Nesterov momentum: linear warmup, linear decay to zero, L2 penalty in the gradient."""

import optax

from algoperf_lite.schedules import linear, over

search_space = {
    "learning_rate": {"min": 3e-2, "max": 3.0, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-6, "max": 1e-3, "scaling": "log"},
    "horizon": {"feasible_points": [1.0]},
}
self_tuning_point = {
    "learning_rate": 0.3,
    "one_minus_beta1": 0.1,
    "weight_decay": 1e-6,
    "horizon": 1.25,
}


def schedule(workload, hyperparameters):
    hp = hyperparameters
    return over(linear(), hp.horizon * workload.step_hint, hp.learning_rate, warmup=0.05)


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.chain(
        optax.add_decayed_weights(hp.weight_decay),
        optax.sgd(learning_rate, momentum=1 - hp.one_minus_beta1, nesterov=True),
    )
