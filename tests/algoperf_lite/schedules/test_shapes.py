"""Schedules: ends, joints, equality with optax, one compilation for all parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf_lite import schedules
from algoperf_lite.schedules import text

FREE = ("inverse_sqrt", "power")  # functions of the step
SHAPES = {
    name: getattr(schedules, name)()
    for name, signature in text.signatures().items()
    if signature.is_schedule and name not in FREE
}
RISING = ("one_cycle", "cyclic")
ENDS = {  # of those that do not end at 0
    "constant": 1,
    "exponential": 0.01,
    "step": 0.01,
    "multistep": 0.01,
    "one_cycle": 4e-6,
    "inverse_linear": 0.1,
    "infinite": 0.01,
}
# For each range a parameter may have, values of it between 0 and 1 made from numbers there.
TRACED = {
    "Positive": lambda x: 4 * x,
    "Share": lambda x: x,
    "Scalar": lambda x: -x,
    "Shares": lambda x: (x / 2, x),
    "Shape": lambda x: schedules.polynomial(4 * x),
}
LARGEST_INT = 2**31 - 1
JITTED = {name: jax.jit(shape) for name, shape in SHAPES.items()}
RATES = {
    name: jax.jit(
        lambda step, num_steps, peak, warmup, end, shape=shape: schedules.over(
            shape, num_steps, peak, warmup, end
        )(step)
    )
    for name, shape in SHAPES.items()
}


def _values(schedule, steps):
    return np.asarray(jax.jit(jax.vmap(schedule))(jnp.asarray(steps)))


@pytest.mark.parametrize("name", SHAPES)
@given(progress=st.floats(0, 1))
def test_shape_is_a_multiplier(name, progress):
    assert -1e-6 <= float(JITTED[name](progress)) <= 1 + 1e-6


@pytest.mark.parametrize("name", SHAPES)
def test_shape_begins_and_ends_as_it_says(name):
    values = _values(SHAPES[name], np.linspace(0, 1, 101, dtype=np.float32))
    if name not in RISING:
        assert values[0] == 1
    assert values[-1] == pytest.approx(ENDS.get(name, 0), abs=1e-6)
    if name not in (*RISING, "sgdr"):
        assert np.all(np.diff(values) <= 1e-6)


@pytest.mark.parametrize("name", SHAPES)
@given(
    num_steps=st.integers(1, 10**6),
    peak=st.floats(1e-6, 10),
    warmup=st.floats(0, 0.9),
    share=st.floats(0, 2),
)
def test_rate_stays_between_end_and_peak(name, num_steps, peak, warmup, share):
    step, end = int(share * num_steps), 0.1 * peak
    rate = float(RATES[name](step, num_steps, peak, warmup, end))
    least = 0 if step <= warmup * num_steps else end  # <=: float32 may round it up
    assert least * (1 - 1e-5) <= rate <= peak * (1 + 1e-5)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (schedules.linear(), optax.linear_schedule(1, 0.1, 1000)),
        (schedules.cosine(), optax.cosine_decay_schedule(1, 1000, alpha=0.1)),
        (schedules.polynomial(3.0), optax.polynomial_schedule(1, 0.1, 3, 1000)),
        (
            schedules.sgdr((0.5,)),
            optax.join_schedules(2 * [optax.cosine_decay_schedule(1, 500, 0.1)], [500]),
        ),
    ],
    ids=["linear", "cosine", "polynomial", "sgdr"],
)
def test_shapes_that_fall_to_the_end_equal_optax(ours, theirs):
    steps = np.arange(1200)
    ours = schedules.over(ours, 1000, 1.0, end=0.1)
    np.testing.assert_allclose(_values(ours, steps), _values(theirs, steps), atol=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (schedules.exponential(0.2), optax.exponential_decay(1, 1000, 0.2)),
        (schedules.step(0.5, 4), optax.exponential_decay(1, 250, 0.5, staircase=True)),
        (
            schedules.multistep(0.5, (0.3, 0.9)),
            optax.piecewise_constant_schedule(1, {299.5: 0.5, 899.5: 0.5}),
        ),
        (schedules.one_cycle(), optax.cosine_onecycle_schedule(1000, 1.0)),
    ],
    ids=["exponential", "step", "multistep", "one_cycle"],
)
def test_shapes_with_an_end_of_their_own_equal_optax(ours, theirs):
    steps = np.arange(1000)
    ours = schedules.over(ours, 1000, 1.0)
    np.testing.assert_allclose(_values(ours, steps), _values(theirs, steps), atol=1e-6)


def test_warmup_equals_optax():
    steps = np.arange(0, 1200)
    ours = schedules.over(schedules.cosine(), 1000, 0.3, warmup=0.1)
    theirs = optax.warmup_cosine_decay_schedule(0.0, 0.3, 100, 1000)
    np.testing.assert_allclose(_values(ours, steps), _values(theirs, steps), atol=1e-6)


def test_cyclic_is_smiths_triangular_policy():
    steps = np.arange(1000)
    ours = schedules.over(schedules.cyclic(cycles=4, shrink=0.5), 1000, 1.0)
    cycle = np.floor(1 + steps / 250)
    triangle = np.maximum(0, 1 - np.abs(steps / 125 - 2 * cycle + 1))
    np.testing.assert_allclose(_values(ours, steps), triangle / 2 ** (cycle - 1), atol=1e-5)


def test_wsd_is_flat_then_cools_down_as_one_minus_sqrt():
    schedule = schedules.over(schedules.wsd(decay=0.25), 1000, 2.0)
    assert float(schedule(0)) == float(schedule(750)) == 2.0
    assert float(schedule(750 + 40)) == pytest.approx(2 * (1 - np.sqrt(40 / 250)), rel=1e-5)
    assert float(schedule(1000)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "halfway"),
    [
        ("linear", 0.5),
        ("one_minus_sqrt", 1 - np.sqrt(0.5)),
        ("cosine", 0.5),
        ("exponential", 0.1),
        ("exponential_to_zero", np.sqrt(2) - 1),
        ("inverse_linear", 2 / 11),
    ],
)
def test_cooldowns_halfway(name, halfway):
    shape = schedules.wsd(decay=0.5, cooldown=SHAPES[name])
    assert float(shape(jnp.float32(0.5))) == 1
    assert float(shape(jnp.float32(0.75))) == pytest.approx(halfway, rel=1e-5)


def test_wsd_s_resumes_the_full_rate_after_each_cooldown():
    schedule = schedules.over(schedules.wsd(0.2, SHAPES["linear"], restarts=(0.5,)), 1000, 1.0)
    expected = [1, 0.5, 0.01, 1, 1, 0.5, 0]
    np.testing.assert_allclose(
        _values(schedule, [400, 450, 499, 500, 900, 950, 1000]), expected, atol=1e-5
    )


def test_infinite_joins_its_three_phases():
    shape = schedules.infinite(cooldown=0.2, anneal=0.5, level=0.1, final=0.001)
    values = _values(shape, [0, 0.1, 0.2, 0.5, 0.75, 1])
    np.testing.assert_allclose(values, [1, 0.55, 0.1, 0.1, 0.01, 0.001], rtol=1e-5)


def test_inverse_sqrt_is_noams_and_with_a_timescale_hugging_faces():
    steps = np.arange(1, 2000)
    noam = np.minimum(steps**-0.5, steps * 100**-1.5) / 100**-0.5
    np.testing.assert_allclose(_values(schedules.inverse_sqrt(1.0, 100), steps), noam, rtol=1e-5)
    shifted = np.minimum(steps / 100, 1 / np.sqrt(np.maximum(steps + 400, 500) / 500))
    ours = schedules.inverse_sqrt(1.0, 100, timescale=500)
    np.testing.assert_allclose(_values(ours, steps), shifted, rtol=1e-5)
    assert float(schedules.inverse_sqrt(1.0, 0)(0)) == 1


def test_join_gives_each_schedule_its_own_steps():
    joined = schedules.join([optax.constant_schedule(3.0), optax.linear_schedule(1, 0, 10)], [5])
    rates = _values(joined, [0, 4, 5, 10, 15, 20])
    np.testing.assert_allclose(rates, [3, 3, 1, 0.5, 0, 0], atol=1e-6)


# --- UBA ----------------------------------------------------------------------------------


def test_uba_with_phi_2_is_the_cosine_in_the_middle_of_the_steps():
    steps = np.arange(1000)
    ours = schedules.over(schedules.uba(2.0), 1000, 1.0)
    theirs = optax.cosine_decay_schedule(1.0, 1000)
    np.testing.assert_allclose(_values(ours, steps), _values(theirs, steps + 0.5), atol=1e-6)


@pytest.mark.parametrize("kappa", [1.5, 5, 20])
def test_uba_is_the_normalised_chebyshev_step_sizes_with_phi_twice_the_condition(kappa):
    num_steps, m = 57, 0.3
    largest = kappa * m
    theta = (2 * np.arange(num_steps) + 1) * np.pi / (2 * num_steps)
    sizes = 2 / ((largest + m) - (largest - m) * np.cos(theta))
    normalised = (sizes - 1 / largest) / (1 / m - 1 / largest)
    ours = schedules.over(schedules.uba(2 * kappa), num_steps, 1.0)
    np.testing.assert_allclose(_values(ours, np.arange(num_steps)), normalised, atol=1e-6)


@pytest.mark.parametrize("phi", [0.25, 0.5, 1, 2, 2.5, 5, 10])
def test_uba_has_the_papers_form_and_its_mean(phi):
    factors = _values(schedules.over(schedules.uba(phi), 1000, 1.0), np.arange(1000))
    u = 1 + np.cos((np.arange(1000) + 0.5) * np.pi / 1000)
    np.testing.assert_allclose(factors, 2 * u / (2 * phi + (2 - phi) * u), atol=1e-6)
    assert np.all(np.diff(factors) < 0)
    assert factors.mean() == pytest.approx(1 / (1 + np.sqrt(phi / 2)), rel=0.01)


def test_uba_phases_restart_theta_and_the_horizon_is_what_the_warmup_leaves():
    schedule = schedules.over(schedules.uba(5.0, (0.25,)), 1000, 1.0, warmup=0.2)
    long, short = (schedules.over(schedules.uba(5.0), n, 1.0) for n in (600, 200))
    np.testing.assert_allclose(
        _values(schedule, np.arange(200, 1000)),
        np.concatenate([_values(short, np.arange(200)), _values(long, np.arange(600))]),
        atol=1e-6,
    )
    assert float(schedule(5000)) == float(schedule(999)) > 0


# --- Power --------------------------------------------------------------------------------


def test_power_meets_the_numbers_of_its_paper():
    tokens_per_step = 1024 * 4096
    # Equation 6's fit of the best constant rate at 10 trillion tokens; the paper says 0.0011.
    fit = schedules.power(1.0, 1024, tokens_per_step, warmup_steps=0, a=4.6)
    assert float(fit(1e13 / tokens_per_step)) == pytest.approx(0.00110, abs=5e-6)
    used = schedules.power(0.02, 1024, tokens_per_step, warmup_steps=1e9 / tokens_per_step)
    steps = np.arange(300, 10_000)
    leaves_cap = steps[_values(used, steps) < 0.02][0] * tokens_per_step
    assert leaves_cap == pytest.approx(26.0e9, rel=0.005)


def test_power_counts_all_tokens_after_a_warmup_to_its_own_curve():
    bare, warm = (schedules.power(1.0, 8, 1000, warmup_steps=w, a=1.0) for w in (0, 100))
    steps = np.arange(100, 5000)
    np.testing.assert_array_equal(_values(bare, steps), _values(warm, steps))
    assert float(warm(50)) == pytest.approx(float(bare(100)) / 2)
    assert float(warm(0)) == 0
    assert float(bare(0)) == float(bare(1)) > 0


def test_power_survives_more_tokens_than_int32_counts():
    rate = jax.jit(schedules.power(1.0, 1024, 1024 * 4096, 0))
    for step in (512, 2**24, LARGEST_INT):  # up to 9e15 tokens
        expected = 4 * 1024 * (float(step) * 1024 * 4096) ** -0.51
        assert float(rate(jnp.int32(step))) == pytest.approx(expected, rel=1e-4)
    assert np.isfinite(float(schedules.power(1.0, 1024, 2**40, 0)(LARGEST_INT)))


def test_cool_down_keeps_the_count_of_the_whole_run():
    plain = schedules.power(1.0, 8, 1000, warmup_steps=100, a=1.0)
    for shape, halfway in [(SHAPES["linear"], 0.5), (None, np.sqrt(2) - 1)]:
        schedule = schedules.cool_down(plain, 1000, decay=0.2, cooldown=shape)
        steps = np.arange(801)
        np.testing.assert_allclose(_values(schedule, steps), _values(plain, steps), rtol=1e-6)
        assert float(schedule(900)) == pytest.approx(float(plain(800)) * halfway, rel=1e-5)
        assert float(schedule(1000)) == float(schedule(2000)) == pytest.approx(0, abs=1e-7)


# --- every schedule -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SHAPES, *FREE])
def test_every_parameter_is_traceable_with_one_compilation(name):
    signature = text.signatures()[name]
    own = [(key, p.kind) for key, p in signature.parameters.items() if p.kind in TRACED]
    traces = 0

    @jax.jit
    @jax.vmap
    def rate(step, num_steps, peak, numbers):
        nonlocal traces
        traces += 1
        warmup, decay, end, *rest = numbers
        parameters = {key: TRACED[kind](x) for (key, kind), x in zip(own, rest, strict=True)}
        if name not in FREE:
            shape = getattr(schedules, name)(**parameters)
            return schedules.over(shape, num_steps, peak, warmup, end * peak)(step)
        del parameters["decay"], parameters["cooldown"]
        supplied = {"peak": peak, "warmup_steps": warmup * num_steps}
        if name == "power":
            supplied |= {"batch_size": 1000 * peak, "tokens_per_step": 1e6 * peak}
        schedule = getattr(schedules, name)(**supplied, **parameters)
        return schedules.cool_down(schedule, num_steps, decay, end=end * peak)(step)

    for seed in range(3):
        numbers = jax.random.uniform(
            jax.random.key(seed), (5 + len(own), 4), minval=0.1, maxval=0.4
        )
        num_steps, peak = 400 + 100 * numbers[0], numbers[1]
        rates = rate(jnp.arange(4) * 100, num_steps, peak, list(numbers[2:]))
        assert np.all((rates >= 0) & (rates <= peak * 1.001))
    assert traces == 1


@pytest.mark.parametrize("name", SHAPES)
def test_steps_beyond_int32_products_stay_finite(name):
    schedule = schedules.over(SHAPES[name], LARGEST_INT, 1.0, warmup=0.5)
    assert 0 <= float(schedule(2**31 - 2)) <= 1
    assert 0 <= float(schedules.over(SHAPES[name], 2**40, 1.0)(2**30)) <= 1
