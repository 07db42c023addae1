"""Averages of the latest weights: which copies are in them, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from algoperf_lite.optimizers import latest_weights
from algoperf_lite.optimizers.latest_weights import ema_mean, lawa_ema, lawa_queue, queue_mean


def walk(optimizer, mean, num_steps):
    """Means after each step of a weight that is 1, 2, 3, ... after steps 1, 2, 3, ..."""
    params = {"w": jnp.zeros(2)}
    state, step = optimizer.init(params), jax.jit(optimizer.update)
    found = []
    for _ in range(num_steps):
        updates, state = step({"w": -jnp.ones(2)}, state, params)
        params = optax.apply_updates(params, updates)
        found.append(float(mean(state, params)["w"][0]))
    assert step._cache_size() == 1
    assert params["w"][0] == num_steps  # training goes on as it would
    return found


def test_a_queue_has_the_latest_copies():
    found = walk(lawa_queue(optax.sgd(1.0), every=2, length=3), queue_mean, 9)
    # Copies are of steps 2, 4, 6 and 8; before the first, the weight itself counts.
    assert found == pytest.approx([1, 2, 2, 3, 3, 4, 4, 6, 6])


def test_a_moving_average_has_no_share_of_its_beginning():
    found = walk(lawa_ema(optax.sgd(1.0), every=2, decay=0.5), ema_mean, 6)
    # Copies of 2, 4 and 6 with weights 1; 1/3, 2/3; 1/7, 2/7, 4/7.
    assert found == pytest.approx([1, 2, 2, 10 / 3, 10 / 3, (2 + 2 * 4 + 4 * 6) / 7])


@pytest.mark.parametrize("make", [lawa_queue, lawa_ema])
def test_a_distance_below_one_step_is_one_step(make):
    mean = queue_mean if make is lawa_queue else ema_mean
    assert walk(make(optax.sgd(1.0), every=0.3), mean, 2) == walk(
        make(optax.sgd(1.0), every=1), mean, 2
    )


@pytest.mark.parametrize("kind", ["queue", "ema"])
def test_many_distances_are_one_program(kind):
    make = getattr(latest_weights, f"lawa_{kind}")
    mean = getattr(latest_weights, f"{kind}_mean")

    def run(every):
        optimizer, params = make(optax.sgd(0.1), every), jnp.ones(3)
        state = optimizer.init(params)
        for _ in range(5):
            updates, state = optimizer.update(params, state, params)
            params = optax.apply_updates(params, updates)
        return mean(state, params)

    together = jax.jit(jax.vmap(run))(jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(together, jnp.stack([run(1), run(2)]), rtol=1e-6)
    assert not np.allclose(together[0], together[1])
