"""What a file in AlgoPerf's form calls of a workload: a program, or a part of the file's own."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import workloads
from algoperf_lite.spec import ForwardPassMode
from algoperf_lite.submission.algoperf_view import AlgoPerfView
from algoperf_lite.training import train_step
from algoperf_lite.trial.forms.algoperf_stepper import compilations

RESNET = workloads.load("imagenet_resnet")


@functools.cache
def _start(workload=RESNET):
    params, model_state = train_step.init_model(workload, 0)
    rows = {name: values[:8] for name, values in workload.dataset("train").items()}
    return AlgoPerfView(workload, None), params, model_state, jax.device_put(rows)


def _loss(workload, params, model_state, batch, dropout_rate=None, label_smoothing=0.0):
    logits, new_state = workload.model_fn(
        params,
        batch,
        model_state,
        ForwardPassMode.TRAIN,
        jax.random.PRNGKey(1),
        update_batch_norm=True,
        dropout_rate=dropout_rate,
    )
    loss = workload.loss_fn(
        label_batch=batch["targets"],
        logits_batch=logits,
        mask_batch=batch.get("weights"),
        label_smoothing=label_smoothing,
    )
    return loss["summed"] / loss["n_valid_examples"], new_state


def _operations(lowered):
    """Of the program that XLA is given, in order. Before it, JAX 0.12 keeps inlined calls apart."""
    found = re.findall(r"stablehlo\.(\w+)", lowered.as_text())
    return [name for name in found if name != "constant"]  # written where a call began


def test_an_eager_call_is_one_program_and_not_compiled_again():
    view, params, model_state, batch = _start()
    _loss(view, params, model_state, batch)
    for step in range(3):
        params = jax.tree.map(lambda p: p * np.float32(0.9), params)
        before = compilations()
        _loss(view, params, model_state, batch)
        assert compilations() == before, step


def test_an_eager_call_computes_what_the_workload_does():
    view, params, model_state, batch = _start()
    found = _loss(view, params, model_state, batch, label_smoothing=0.1)
    plain = functools.partial(_loss, view._workload, label_smoothing=0.1)
    expected = jax.jit(plain)(params, model_state, batch)
    for one, two in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-4, atol=1e-5)


def test_a_rate_that_changes_with_every_step_is_compiled_for_once():
    workload = workloads.load("imagenet_vit")
    view, params, model_state, batch = _start(workload)
    # Its last layer begins with zeros.
    params = jax.tree.map(lambda p: p + 0.1 * jnp.cos(jnp.arange(p.size).reshape(p.shape)), params)
    _loss(view, params, model_state, batch, dropout_rate=0.05)
    before = compilations()
    losses = [
        float(_loss(view, params, model_state, batch, dropout_rate=rate)[0])
        for rate in (0.1, 0.3, 0.5)
    ]
    assert compilations() == before
    assert len(set(losses)) == 3


@pytest.mark.parametrize("differentiated", [False, True])
def test_inside_a_file_s_own_program_nothing_is_left_of_the_wrapper(differentiated):
    view, params, model_state, batch = _start()

    def program(workload):
        def loss(params):
            return _loss(workload, params, model_state, batch)

        return jax.value_and_grad(loss, has_aux=True) if differentiated else loss

    found, expected = (jax.jit(program(w)).lower(params) for w in (view, view._workload))
    if not differentiated:  # a derivative's operations come in another order
        assert _operations(found) == _operations(expected)
    assert "_compiled" not in found.as_text()
    one, two = (each.compile()(params) for each in (found, expected))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
