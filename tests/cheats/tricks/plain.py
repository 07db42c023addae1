"""No trick: Adam in AlgoPerf's form, which the tricks in that form are built around."""

import functools

import jax
import optax
from algoperf import spec

ADAM = optax.adam(3e-3)


def get_batch_size(workload_name):
    return 64


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return ADAM.init(model_params), None


def data_selection(workload, input_queue, *rest):
    return next(input_queue)


@functools.partial(jax.jit, static_argnums=0)
def advance(workload, params, state, batch, rng):
    def loss(params):
        logits, _ = workload.model_fn(params, batch, {}, spec.ForwardPassMode.TRAIN, rng, True)
        found = workload.loss_fn(batch["targets"], logits)
        return found["summed"] / found["n_valid_examples"]

    updates, state = ADAM.update(jax.grad(loss)(params), state)
    return optax.apply_updates(params, updates), state


def update_params(
    workload, current_param_container, model_state, optimizer_state, batch, rng, **rest
):
    state, _ = optimizer_state
    params, state = advance(workload, current_param_container, state, batch, rng)
    return (state, None), params, model_state
