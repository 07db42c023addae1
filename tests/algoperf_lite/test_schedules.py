"""Schedules: ends, joints, equality with optax, one compilation for all parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf_lite import schedules

SHAPES = {
    "constant": schedules.constant(),
    "linear": schedules.linear(),
    "cosine": schedules.cosine(),
    "one_minus_sqrt": schedules.one_minus_sqrt(),
    "wsd": schedules.wsd(),
}


@pytest.mark.parametrize("name", SHAPES)
@given(progress=st.floats(0, 1))
def test_shape_is_a_multiplier(name, progress):
    assert -1e-6 <= float(SHAPES[name](jnp.float32(progress))) <= 1 + 1e-6


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "constant"])
def test_shape_falls_from_one_to_zero(name):
    values = jax.vmap(SHAPES[name])(jnp.linspace(0, 1, 101))
    assert values[0] == 1
    assert values[-1] == pytest.approx(0, abs=1e-6)
    assert np.all(np.diff(values) <= 1e-6)


@given(
    num_steps=st.integers(1, 10**6),
    peak=st.floats(1e-6, 10),
    warmup=st.floats(0, 0.9),
    share=st.floats(0, 2),
)
def test_rate_stays_between_end_and_peak(num_steps, peak, warmup, share):
    schedule = schedules.over(schedules.cosine(), num_steps, peak, warmup)
    rate = float(schedule(int(share * num_steps)))
    assert 0 <= rate <= peak * (1 + 1e-5)


def test_cosine_equals_optax_with_and_without_warmup():
    steps = np.arange(0, 1200)
    ours = schedules.over(schedules.cosine(), 1000, 0.3, warmup=0.1)
    theirs = optax.warmup_cosine_decay_schedule(0.0, 0.3, 100, 1000)
    np.testing.assert_allclose(jax.vmap(ours)(steps), jax.vmap(theirs)(steps), atol=1e-6)
    ours = schedules.over(schedules.linear(), 1000, 0.3, end=0.03)
    theirs = optax.linear_schedule(0.3, 0.03, 1000)
    np.testing.assert_allclose(jax.vmap(ours)(steps), jax.vmap(theirs)(steps), atol=1e-6)


def test_wsd_is_flat_then_cools_down_as_one_minus_sqrt():
    schedule = schedules.over(schedules.wsd(decay=0.25), 1000, 2.0)
    assert float(schedule(0)) == float(schedule(750)) == 2.0
    assert float(schedule(750 + 40)) == pytest.approx(2 * (1 - np.sqrt(40 / 250)), rel=1e-5)
    assert float(schedule(1000)) == pytest.approx(0, abs=1e-6)


def test_every_parameter_is_traceable_with_one_compilation():
    traces = 0

    @jax.jit
    @jax.vmap
    def rate(step, num_steps, peak, warmup, decay, end):
        nonlocal traces
        traces += 1
        return schedules.over(schedules.wsd(decay), num_steps, peak, warmup, end)(step)

    for seed in range(3):
        numbers = jax.random.uniform(jax.random.key(seed), (5, 4), minval=0.01, maxval=0.5)
        steps = jnp.arange(4) * 100
        assert np.all(np.isfinite(rate(steps, 400 + 100 * numbers[0], *numbers[1:])))
    assert traces == 1


def test_steps_beyond_int32_products_stay_finite():
    schedule = schedules.over(schedules.cosine(), 2**31 - 1, 1.0, warmup=0.5)
    assert 0 <= float(schedule(2**31 - 2)) <= 1
