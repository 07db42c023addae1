"""Where a model drops: the arrays of random numbers that its training pass draws."""

import math

import jax
import jax.numpy as jnp

from algoperf_lite.spec import ForwardPassMode


def dropout_sites(workload):
    """The numbers that each place of dropout decides about, in order, at a rate that is traced.

    Counted in the traced program, so it does not matter which function draws. Nothing is computed,
    so a model at full scale takes no memory.
    """
    params, state = jax.eval_shape(workload.init_model_fn, jax.random.key(0))

    def train(params, state, rate):
        key, mode = jax.random.key(0), ForwardPassMode.TRAIN
        return workload.model_fn(params, workload.example_batch(), state, mode, key, True, rate)

    return _drawn(jax.make_jaxpr(train)(params, state, jnp.float32(0.3)).jaxpr)


def _drawn(program):
    found = []
    for step in program.eqns:
        if step.primitive.name == "random_bits":
            found.append(math.prod(step.params["shape"]))
        for value in jax.tree.leaves(tuple(step.params.values())):
            inner = getattr(value, "jaxpr", value)  # a closed program has its constants beside it
            if hasattr(inner, "eqns"):
                found += _drawn(inner)
    return found
