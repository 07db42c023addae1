"""Schedules as text: what is understood, what is refused, what is built."""

import pickle

import jax
import numpy as np
import pytest

from algoperf_lite import schedules
from algoperf_lite.schedules import text as schedules_text
from algoperf_lite.schedules.text import parse

NAMES = [name for name, found in schedules_text.signatures().items() if found.is_schedule]
POWER = {"batch_size": 8, "tokens_per_step": 1000}


@pytest.mark.parametrize(
    ("text", "label", "aware"),
    [
        ("cosine", "cosine", True),
        ("uba:phi=5.0", "uba(phi=5)", True),
        ("wsd:decay=0.1:cooldown=linear", "wsd(decay=0.1,cooldown=linear)", True),
        ("wsd:cooldown=linear:decay=0.1", "wsd(cooldown=linear,decay=0.1)", True),
        ("multistep:milestones=.5+0.75", "multistep(milestones=0.5+0.75)", True),
        ("one_cycle:final=4e-6:end=0", "one_cycle(final=4e-06,end=0)", True),
        ("cosine:warmup=0:end=1e-1", "cosine(warmup=0,end=0.1)", True),
        ("constant:warmup=0.1", "constant(warmup=0.1)", False),
        ("inverse_sqrt:timescale=100", "inverse_sqrt(timescale=100)", False),
        ("power:a=4.6:b=-0.5", "power(a=4.6,b=-0.5)", False),
        ("power:decay=0.1", "power(decay=0.1)", True),
    ],
)
def test_labels_and_round_trips(text, label, aware):
    spec = parse(text)
    assert spec.label == label
    assert spec.is_horizon_aware == aware
    assert parse(str(spec)) == spec == pickle.loads(pickle.dumps(spec))
    assert hash(spec) == hash(parse(text))


@pytest.mark.parametrize("name", NAMES)
def test_every_schedule_parses_without_parameters_and_builds(name):
    schedule = jax.jit(jax.vmap(parse(name).build(1000, 0.5, step_hint=1000, **POWER)))
    rates = np.asarray(schedule(np.arange(1001)))
    assert np.all((rates >= 0) & (rates <= 0.5 + 1e-6))
    starts_low = "warmup" not in schedules_text.signatures()[name].parameters
    assert rates[0] == 0 or starts_low
    assert rates.max() == pytest.approx(0.5, rel=1e-3) or name == "power"


@pytest.mark.parametrize(
    ("text", "by_hand"),
    [
        ("uba:phi=5", lambda: schedules.over(schedules.uba(5.0), 1000, 0.5, 0.05)),
        (
            "wsd:decay=0.3:cooldown=linear:warmup=0.1:end=0.2",
            lambda: schedules.over(
                schedules.wsd(0.3, schedules.linear()), 1000, 0.5, warmup=0.1, end=0.1
            ),
        ),
        ("constant", lambda: schedules.over(schedules.constant(), 400, 0.5, 0.05)),
        ("wsd:fixed_warmup=0.1", lambda: schedules.over(schedules.wsd(), 1000, 0.5, 0.1)),
        ("inverse_sqrt:warmup=0.1", lambda: schedules.inverse_sqrt(0.5, 40.0)),
        ("power:a=2", lambda: schedules.power(0.5, **POWER, warmup_steps=20.0, a=2.0)),
        (
            "power:decay=0.2:cooldown=linear:end=0.01",
            lambda: schedules.cool_down(
                schedules.power(0.5, **POWER, warmup_steps=50.0),
                1000,
                0.2,
                schedules.linear(),
                end=0.005,
            ),
        ),
    ],
)
def test_text_builds_what_the_functions_build(text, by_hand):
    steps = np.arange(0, 1200, 7)
    ours = parse(text).build(1000, 0.5, step_hint=400, **POWER)
    rates = [jax.jit(jax.vmap(schedule))(steps) for schedule in (ours, by_hand())]
    np.testing.assert_array_equal(*rates)


def test_a_schedule_without_a_horizon_does_not_read_one():
    steps = np.arange(0, 3000, 100)
    for text in ("constant", "inverse_sqrt", "power"):
        builds = [parse(text).build(n, 0.5, step_hint=400, **POWER) for n in (None, 100, 1000)]
        rates = [jax.jit(jax.vmap(schedule))(steps) for schedule in builds]
        np.testing.assert_array_equal(rates[0], rates[1])
        np.testing.assert_array_equal(rates[0], rates[2])


def test_horizon_and_peak_may_be_traced():
    build = parse("uba:phi=5:end=0.1").build
    rates = jax.jit(jax.vmap(lambda n, peak: build(n, peak)(0.5 * n)))(
        np.float32([100, 1000]), np.float32([1, 2])
    )
    assert float(rates[1]) == pytest.approx(2 * float(rates[0]), rel=0.02)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cosin", "unknown schedule 'cosin'; did you mean 'cosine'?"),
        ("over", "unknown schedule 'over'"),
        ("", "unknown schedule ''"),
        ("uba:ph=5", "unknown parameter of uba 'ph'; did you mean 'phi'?"),
        ("one_cycle:warmup=0.1", "unknown parameter of one_cycle 'warmup'"),
        ("constant:end=0.1", "unknown parameter of constant 'end'"),
        ("uba:5", "got '5' in schedule 'uba:5', expected parameter=value; uba takes phi, restarts"),
        ("uba:phi=", "got 'phi=' in schedule"),
        ("uba:phi=1:phi=2", "phi is twice in schedule 'uba:phi=1:phi=2'"),
        ("uba:phi=0", "phi of uba is '0', expected a number above 0; give for example 'uba:phi=2'"),
        ("uba:phi=-1", "phi of uba is '-1', expected a number above 0"),
        ("uba:phi=five", "phi of uba is 'five', expected a number above 0"),
        ("uba:phi=nan", "phi of uba is 'nan'"),
        ("power:b=inf", "b of power is 'inf', expected a number;"),
        ("wsd:cooldown=liner", "unknown cooldown of wsd 'liner'; did you mean 'linear'?"),
        ("wsd:cooldown=over", "unknown cooldown of wsd 'over'"),
        ("wsd:decay=0", "decay of wsd is '0', expected a share above 0, at most 1"),
        ("cosine:warmup=1", "warmup of cosine is '1', expected a share from 0 to below 1"),
        ("cosine:end=1.5", "end of cosine is '1.5', expected a share from 0 to 1"),
        ("sgdr:restarts=0.5+0.25", "restarts of sgdr is '0.5+0.25', expected ascending shares"),
        ("sgdr:restarts=0.5+", "restarts of sgdr is '0.5+', expected ascending shares"),
        ("wsd:warmup=0.5:decay=0.6", "warmup 0.5 and decay 0.6 of wsd add up to more than the"),
        ("wsd:warmup=0:fixed_warmup=0.1", "wsd has warmup and fixed_warmup, expected one"),
        ("wsd:fixed_warmup=0.9", "warmup 0.9 and decay 0.2 of wsd add up to more than the horizon"),
        ("wsd:warmup=0.9", "warmup 0.9 and decay 0.2 of wsd add up to more than the horizon"),
        ("power:decay=0.96", "warmup 0.05 and decay 0.96 of power add up"),
        ("power:cooldown=linear", "power has cooldown but no decay"),
        ("inverse_sqrt:end=0.1", "inverse_sqrt has end but no decay"),
    ],
)
def test_bad_text_is_one_sentence(text, sentence):
    with pytest.raises(ValueError) as error:
        parse(text)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "arguments", "sentence"),
    [
        ("cosine", {"num_steps": None}, "schedule cosine got num_steps=None, expected a number ab"),
        ("cosine", {"num_steps": 0}, "schedule cosine got num_steps=0, expected a number above 0"),
        ("cosine", {"peak": 0.0}, "schedule cosine got peak=0.0, expected a number above 0"),
        ("uba:phi=5", {"peak": np.float32(-1)}, "schedule uba:phi=5 got peak=-1.0, expected"),
        ("constant", {}, "schedule constant got step_hint=None, expected a number above 0"),
        ("power", {"step_hint": 10}, "schedule power got batch_size=None, expected a number"),
        ("power:decay=0.1", {"num_steps": None}, "schedule power:decay=0.1 got num_steps=None"),
    ],
)
def test_bad_arguments_are_one_sentence(text, arguments, sentence):
    with pytest.raises(ValueError) as error:
        parse(text).build(**{"num_steps": 100, "peak": 1.0, **arguments})
    assert str(error.value).startswith(sentence)
