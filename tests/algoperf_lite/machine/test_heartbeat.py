"""Signs of life come while XLA compiles, and only then."""

import time

import jax
import jax.numpy as jnp

from algoperf_lite.machine import heartbeat


def _long(x):
    # No loop, so that XLA has a thousand operations to look at.
    for i in range(300):
        x = jnp.sin(x @ x + i)
    return x


def test_a_process_that_compiles_is_alive_and_one_that_traces_is_not():
    beats = []

    def hanging(x):
        time.sleep(0.5)
        return x

    with heartbeat.while_compiling(lambda: beats.append(1), seconds=0.01):
        time.sleep(0.1)
        jax.jit(hanging).lower(1.0)
        assert not beats
        lowered = jax.jit(_long).lower(jax.ShapeDtypeStruct((8, 8), jnp.float32))
        assert not beats
        lowered.compile()
    assert beats
    count = len(beats)
    time.sleep(0.1)
    assert len(beats) == count  # the thread is gone


def test_a_process_that_evaluates_is_alive_whatever_it_does():
    beats = []
    with heartbeat.beating(lambda: beats.append(1), seconds=0.01):
        time.sleep(0.5)
    assert beats
