"""SGD with Polyak's heavy ball; linear decay to a small end, then flat, as AlgoPerf's."""

import optax

from algoperf_lite.schedules import linear, over

search_space = {
    "learning_rate": {"min": 1e-3, "max": 10.0, "scaling": "log"},
    "one_minus_beta1": {"min": 5e-3, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-7, "max": 1e-3, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.05]},
    "decay_steps_factor": {"min": 0.8, "max": 1.0, "scaling": "linear"},
    "end_factor": {"feasible_points": [1e-3, 1e-2]},
    "horizon": {"feasible_points": [0.75]},
}
self_tuning_point = {
    "learning_rate": 0.03,
    "one_minus_beta1": 0.05,
    "weight_decay": 1e-6,
    "warmup_factor": 0.05,
    "decay_steps_factor": 0.9,
    "end_factor": 1e-3,
    "horizon": 0.75,
}


def schedule(workload, hyperparameters):
    hp = hyperparameters
    num_steps = hp.decay_steps_factor * hp.horizon * workload.step_hint
    end = hp.end_factor * hp.learning_rate
    return over(linear(), num_steps, hp.learning_rate, hp.warmup_factor, end)


def optimizer(workload, hyperparameters, learning_rate):
    l2_penalty = optax.add_decayed_weights(hyperparameters.weight_decay)
    momentum = optax.trace(1 - hyperparameters.one_minus_beta1)
    return optax.chain(l2_penalty, momentum, optax.scale_by_learning_rate(learning_rate))
