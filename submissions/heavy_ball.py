"""SGD with Polyak's heavy ball; linear decay to a thousandth, then flat, as AlgoPerf's."""

import optax

from algoperf_lite.schedules import linear, over

search_space = {
    "learning_rate": {"min": 1e-2, "max": 1.0, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-6, "max": 1e-3, "scaling": "log"},
    "horizon": {"feasible_points": [1.0]},
}
self_tuning_point = {
    "learning_rate": 0.1,
    "one_minus_beta1": 0.1,
    "weight_decay": 1e-6,
    "horizon": 1.25,
}


def schedule(workload, hyperparameters):
    peak = hyperparameters.learning_rate
    num_steps = 0.9 * hyperparameters.horizon * workload.step_hint
    return over(linear(), num_steps, peak, warmup=0.05, end=1e-3 * peak)


def optimizer(workload, hyperparameters, learning_rate):
    l2_penalty = optax.add_decayed_weights(hyperparameters.weight_decay)
    momentum = optax.trace(1 - hyperparameters.one_minus_beta1)
    return optax.chain(l2_penalty, momentum, optax.scale_by_learning_rate(learning_rate))
