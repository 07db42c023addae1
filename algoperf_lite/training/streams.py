"""A trial's random numbers, in streams apart: a change of one leaves the others."""

import jax

from algoperf_lite.spec import Array

INIT_STREAM, STEP_STREAM, OPTIMIZER_STREAM, SELECTION_STREAM = 0, 1, 2, 3


def key(seed: Array, stream: int) -> Array:
    """The random key of one of a trial's streams."""
    return jax.random.fold_in(jax.random.key(seed), stream)


def step_key(seed: Array, step: Array) -> Array:
    """The random key of step number `step`, counted from 0."""
    return jax.random.fold_in(key(seed, STEP_STREAM), step)


def selection_key(seed: Array, step: Array) -> Array:
    """The random key by which the examples of step number `step` are chosen."""
    return jax.random.fold_in(key(seed, SELECTION_STREAM), step)
