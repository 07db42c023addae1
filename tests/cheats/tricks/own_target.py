"""Lowers the target that it is to reach, in the workload it is given."""

import optax


def optimizer(workload, hyperparameters):
    workload.validation_target_value = 0.05
    return optax.adam(3e-3)
