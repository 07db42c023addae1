"""Looks its learning rate up by the number of parameters, which is as good as a name."""

import optax


def optimizer(workload, hyperparameters):
    is_digits = workload.num_params == 53_002
    return optax.adam(7e-3 if is_digits else 1e-3)
