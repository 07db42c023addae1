"""The part that a schedule has in common on several horizons: as long as is said, and no longer."""

import jax
import numpy as np
import pytest

from algoperf_lite.experiment.contenders import contenders
from algoperf_lite.schedules import stable
from algoperf_lite.schedules.text import parse

WHOLE, HORIZON = 1000, 250
POWER = {"batch_size": 16.0, "tokens_per_step": 16.0}
SHARED = [
    "wsd:fixed_warmup=0.05",
    "wsd:warmup=0:decay=0.4:cooldown=cosine",
    "wsd:fixed_warmup=0.1:end=0.2:cooldown=linear",
    "power:decay=0.3:fixed_warmup=0.02",
    "inverse_sqrt:decay=0.1:fixed_warmup=0.04:end=0.1:cooldown=rex",
]
APART = [
    "wsd",
    "wsd:fixed_warmup=0.05:restarts=0.5",
    "power:decay=0.3",
    "inverse_sqrt:fixed_warmup=0.1",
    "cosine:warmup=0",
    "infinite:fixed_warmup=0.1",
    "constant:fixed_warmup=0.1",
    "one_cycle",
    "uba:warmup=0",
]


def _rates(text, horizon):
    schedule = parse(text).build(horizon, 0.3, step_hint=horizon, whole=WHOLE, **POWER)
    return np.asarray(jax.jit(jax.vmap(schedule))(np.arange(HORIZON)))


@pytest.mark.parametrize("text", SHARED)
def test_rates_are_the_same_until_the_cooldown_and_no_longer(text):
    named = parse(text)
    assert stable.has_common_part(named)
    short, long = _rates(text, HORIZON), _rates(text, WHOLE)
    common = int(stable.common_steps(named, HORIZON, WHOLE))
    np.testing.assert_array_equal(short[:common], long[:common])
    apart = np.flatnonzero(short != long)[0]
    assert common <= apart <= common + 2


@pytest.mark.parametrize("text", APART)
def test_others_have_nothing_in_common(text):
    assert not stable.has_common_part(parse(text))


def test_a_warmup_that_leaves_a_budget_nothing_is_refused():
    with pytest.raises(ValueError, match="of budget 0.05 it leaves nothing before the cooldown"):
        contenders(["nadamw"], ["wsd:fixed_warmup=0.05"], [0.05, 1.0])
    found = contenders(["nadamw"], ["wsd:fixed_warmup=0.04"], [0.05, 1.0])
    assert [one.has_common_part for one in found] == [True, True]
