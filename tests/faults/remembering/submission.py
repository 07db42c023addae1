"""SGD that depends on all that it remembers: its earlier evaluations, numpy's and Python's random
numbers, what it has counted in variables of its module, and how many batches it has taken."""

import random

import jax
import numpy as np
import optax
from algoperf import spec

np.random.seed(0)
random.seed(0)
OPTIMIZER = optax.trace(0.9)
seen = {"steps": 0, "metrics": [], "last_batch": None}


def get_batch_size(workload_name):
    return 16


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return {"trace": OPTIMIZER.init(model_params), "factor": 1.0}, OPTIMIZER.update


@jax.jit
def _step(grads, trace, params, rate):
    updates, trace = OPTIMIZER.update(grads, trace, params)
    return trace, jax.tree.map(lambda p, u: p - rate * u, params, updates)


def update_params(
    workload,
    current_param_container,
    current_params_types,
    model_state,
    hyperparameters,
    batch,
    loss_type,
    optimizer_state,
    eval_results,
    global_step,
    rng,
):
    state, update = optimizer_state
    metric = "validation/" + workload.target_metric_name
    seen["metrics"] = [results[metric] for _, results in eval_results][-3:]
    seen["steps"] += 1
    seen["last_batch"] = np.asarray(batch["targets"])
    rate = hyperparameters.learning_rate * state["factor"] * np.random.uniform(0.5, 1.0)
    rate *= 1.0 - 0.2 * sum(seen["metrics"]) / 3 + 0.001 * (seen["steps"] % 5) * random.random()

    def loss(params):
        logits, new_state = workload.model_fn(
            params, batch, model_state, spec.ForwardPassMode.TRAIN, rng, update_batch_norm=True
        )
        found = workload.loss_fn(label_batch=batch["targets"], logits_batch=logits)
        return found["summed"] / found["n_valid_examples"], new_state

    grads, model_state = jax.grad(loss, has_aux=True)(current_param_container)
    trace, params = _step(grads, state["trace"], current_param_container, rate)
    state = {"trace": trace, "factor": state["factor"] * 0.999}
    return (state, update), params, model_state


def data_selection(
    workload,
    input_queue,
    optimizer_state,
    current_param_container,
    model_state,
    hyperparameters,
    global_step,
    rng,
):
    batch = next(input_queue)
    return next(input_queue) if seen["steps"] % 4 == 3 else batch  # some are skipped
