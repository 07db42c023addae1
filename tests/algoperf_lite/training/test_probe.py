"""A look into a step: what it says, by hand, and that the step is none the different for it."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import workloads
from algoperf_lite.spec import ParameterType
from algoperf_lite.submission import native
from algoperf_lite.training import probe, streams, train_step

TYPES = {"a": {"kernel": ParameterType.WEIGHT, "bias": ParameterType.BIAS}}
TYPES["b"] = {"kernel": ParameterType.WEIGHT}


def _params(a, bias, b):
    return {"a": {"kernel": jnp.array(a), "bias": jnp.array(bias)}, "b": {"kernel": jnp.array(b)}}


def _read(params, before=None):
    return probe.read(probe.readings_of_params(params, before, TYPES), params)


def test_norms_are_by_type_over_all_leaves_of_it():
    found = _read(_params([[3.0]], [2.0], [4.0]), _params([[3.0]], [0.5], [1.0]))
    assert found.norms["params"] == {"bias": 2.0, "weight": 5.0}
    assert found.norms["moved"] == {"bias": 1.5, "weight": 3.0}
    assert (found.not_finite, found.loss, found.gradient_norm) == (None, None, None)


@pytest.mark.parametrize("size", [1e-40, 1e-30, 1.0, 1e25, 1e38])
def test_a_norm_neither_overflows_nor_underflows_before_its_numbers_do(size):
    found = _read(_params([size], [0.0], [size]))
    expected = math.hypot(float(np.float32(size)), float(np.float32(size)))
    # XLA takes what is below float32's normal numbers for 0.
    assert found.norms["params"]["weight"] == pytest.approx(expected, rel=1e-5, abs=2e-38)
    assert found.norms["params"]["bias"] == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_leaf_that_is_not_finite_is_named(bad):
    params = _params([1.0], [1.0], [bad, 0.0])
    found = _read(params)
    assert found.not_finite == "parameter `b/kernel`"
    assert not math.isfinite(found.norms["params"]["weight"])
    assert found.norms["params"]["bias"] == 1.0
    assert probe.first_not_finite(params) == "b/kernel"
    both = _params([bad], [bad], [bad])
    assert probe.first_not_finite(both) == "a/bias"
    # Parameters come before anything that is made of them.
    assert _read(both, _params([0.0], [0.0], [0.0])).not_finite == "parameter `a/bias`"
    assert probe.first_not_finite(_params([1.0], [1.0], [1e38])) is None


def test_parameters_of_16_bits_are_measured_in_32():
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), _params([1.0] * 300, [0.0], []))
    assert _read(params).norms["params"]["weight"] == pytest.approx(math.sqrt(300), rel=1e-6)
    assert probe.first_not_finite(params) is None


@pytest.fixture(scope="module")
def step():
    """(training, state, hyperparameters, seed, batch) of the first step on digits."""
    workload, entry = workloads.load("digits"), native.load("nadamw")
    traced, static = train_step.split_point(entry.self_tuning_point)
    training = train_step.TrainStep(workload, entry, static)
    state = training.init(traced, *train_step.init_model(workload, 0))
    data = {name: array[:8] for name, array in workload.source("train").arrays.items()}
    return training, state, traced, np.uint32(1), data


def test_a_look_is_at_the_gradient_before_clipping_and_at_the_update_that_was_applied(step):
    training, state, traced, seed, batch = step
    # At its first step the schedule is at 0, and nothing would move.
    state = state._replace(
        step=state.step + 20,
        optimizer_state=jax.tree.map(
            lambda leaf: leaf + 20 if leaf.dtype == jnp.int32 else leaf, state.optimizer_state
        ),
    )
    key = streams.step_key(seed, state.step)
    for clip in ({}, {"grad_clip": np.float32(1e-3)}):
        point = {**traced, **clip}
        after = jax.jit(training.step)(state, point, batch, key)
        found = probe.read(
            jax.jit(probe.readings, static_argnums=0)(_Static(training), state, point, seed, batch),
            state.params,
        )
        moved = jax.tree.map(jnp.subtract, after.params, state.params)
        total = math.hypot(*found.norms["update"].values())
        assert total == pytest.approx(float(_norm(moved)), rel=1e-4) and total > 0
        assert found.loss == pytest.approx(float(after.loss_sum), rel=1e-5)
        assert found.gradient_norm > 0.1  # clipped or not
        assert set(found.norms) == {"params", "gradient", "update"}
        assert set(found.norms["params"]) == {"weight", "bias", "conv_weight"}


class _Static:
    """A `TrainStep` that jit takes for a constant."""

    def __init__(self, training):
        self.observed, self.workload = training.observed, training.workload


def _norm(tree):
    return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)))


def test_a_step_is_the_same_program_as_if_nobody_could_look(step):
    training, state, traced, seed, batch = step
    arguments = (state, traced, batch, streams.step_key(seed, 0))

    def taken(*arguments):
        return training.observed(*arguments)[0]

    texts = {str(jax.make_jaxpr(program)(*arguments)) for program in (training.step, taken)}
    assert len(texts) == 1
    gradient = jax.eval_shape(training.observed, *arguments)[2]
    assert jax.tree.structure(gradient) == jax.tree.structure(state.params)
    assert dataclasses.is_dataclass(training)
