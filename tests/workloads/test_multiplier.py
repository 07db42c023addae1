"""The parameter multiplier of linen workloads: same function, steps m times as long."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import workloads
from algoperf_lite.spec import ForwardPassMode

M = 4.0  # a power of two, which rounds nothing


def _at(multiplier, name="digits"):
    return dataclasses.replace(workloads.load(name), parameter_multiplier=multiplier)


def _batch(workload, size=16):
    return {name: values[:size] for name, values in workload.dataset("train").items()}


def _loss(workload, params):
    batch = _batch(workload)
    logits, _ = workload.model_fn(params, batch, {}, ForwardPassMode.TRAIN, jax.random.key(1), True)
    found = workload.loss_fn(batch["targets"], logits)
    return found["summed"] / found["n_valid_examples"]


def _close(found, expected, factor, rtol=1e-6):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, factor * b, rtol=rtol, atol=1e-9),
        found,
        expected,
    )


def test_the_model_starts_as_it_would_without_and_gradients_are_m_times_as_large():
    plain, scaled = _at(1.0), _at(M)
    params, _ = plain.init_model_fn(jax.random.key(0))
    stored, _ = scaled.init_model_fn(jax.random.key(0))
    _close(stored, params, 1 / M)
    assert _loss(scaled, stored) == _loss(plain, params)
    gradients = jax.grad(lambda p: _loss(scaled, p))(stored)
    _close(gradients, jax.grad(lambda p: _loss(plain, p))(params), M, rtol=1e-5)


@pytest.mark.parametrize(
    ("optimizer", "factor"),
    [
        (lambda rate: optax.adamw(rate, weight_decay=0.5, eps=1e-30), M),  # decay acts alike
        (lambda rate: optax.sgd(rate), M**2),
    ],
)
def test_a_step_moves_weights_as_a_larger_learning_rate_would(optimizer, factor):
    def moved(workload, rate):
        params, _ = workload.init_model_fn(jax.random.key(0))
        tx = optimizer(rate)
        updates, _ = tx.update(
            jax.grad(lambda p: _loss(workload, p))(params), tx.init(params), params
        )
        return jax.tree.map(
            lambda w, old: w - old,
            workload.weights(optax.apply_updates(params, updates)),
            workload.weights(params),
        )

    found, expected = moved(_at(M), 1e-3), moved(_at(1.0), factor * 1e-3)
    if factor == M:
        # Decoupled decay takes rate * decay of the weight off, whatever m is.
        params, _ = _at(1.0).init_model_fn(jax.random.key(0))
        expected = jax.tree.map(lambda d, w: d + (M - 1) * 1e-3 * 0.5 * w, expected, params)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=1e-6), found, expected
    )


def test_multipliers_are_left_out_of_the_name_that_calibrations_are_kept_under():
    assert repr(_at(M)) == repr(_at(1.0)) and _at(M) != _at(1.0)


def test_a_multiplier_of_one_leaves_no_trace_in_the_program():
    params, _ = _at(1.0).init_model_fn(jax.random.key(0))
    assert _at(1.0).weights(params) is params


def test_beam_search_sees_the_weights_too():
    plain, scaled = _at(1.0, "wmt"), _at(M, "wmt")
    params, _ = jax.jit(plain.init_model_fn)(jax.random.key(0))
    stored = jax.tree.map(lambda p: p / M, params)
    batch = {name: jnp.asarray(v[:2]) for name, v in plain.eval_dataset("validation").items()}
    expected = jax.jit(plain.translate)(params, batch)
    np.testing.assert_array_equal(jax.jit(scaled.translate)(stored, batch), expected)


def test_full_scale_models_are_as_they_are():
    for family in workloads.names():
        if family != "digits":
            assert workloads.load(family, "full").parameter_multiplier == 1.0
