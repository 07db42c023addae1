"""Models in bfloat16: which arrays are, and which stay float32; and rematerialisation."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import workloads
from algoperf_lite.spec import ForwardPassMode
from algoperf_lite.testing.batches import small_batch

FAMILIES = workloads.names()
WITH_REMAT = [name for name in FAMILIES if hasattr(workloads.load(name).config, "remat")]
QUICK = ("digits", "criteo1tb")  # compile in a second or two
# In float32 whatever a model computes in: recurrent layers, and small output layers.
FEW_IN_BFLOAT16 = ("librispeech_deepspeech",)


def computation(workload):
    """((params, model state) -> ((loss, (logits, model state)), gradients), its arguments' shapes)
    on a small batch."""
    batch = small_batch(workload)

    def loss(params, model_state):
        augmented = workload.augment(batch, jax.random.key(3))
        mode, key = ForwardPassMode.TRAIN, jax.random.key(2)
        found = workload.model_fn(params, augmented, model_state, mode, key, True)
        parts = workload.loss_fn(augmented["targets"], found[0])
        return parts["summed"] / parts["n_valid_examples"], found

    # Nothing is computed for shapes: most tests look at the program alone.
    shapes = jax.eval_shape(workload.init_model_fn, jax.random.key(1))
    return jax.value_and_grad(loss, has_aux=True), shapes


def computed(workload):
    """(initial parameters, loss, gradients), compiled."""
    params, model_state = jax.jit(workload.init_model_fn)(jax.random.key(1))
    (loss, _), gradients = jax.jit(computation(workload)[0])(params, model_state)
    return params, float(loss), gradients


def program(workload):
    run, shapes = computation(workload)
    return jax.make_jaxpr(run)(*shapes)


def operations(jaxpr):
    """All operations of a program, those inside its loops and calls included."""
    for operation in jaxpr.eqns:
        yield operation
        for inner in programs_in(list(operation.params.values())):
            yield from operations(inner)


def programs_in(value):
    """The programs among an operation's parameters."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from programs_in(part)
    elif hasattr(value, "eqns"):
        yield getattr(value, "jaxpr", value)


def sizes(workload, dtype, names):
    """Sizes (of the first argument, of the result) of the named operations in a training step whose
    results are of a type."""
    found = [op for op in operations(program(workload).jaxpr) if op.primitive.name in names]
    pairs = [(op.invars[0].aval, op.outvars[0].aval) for op in found]
    return [(one.size, result.size) for one, result in pairs if result.dtype == dtype]


def with_config(workload, **changes):
    config = dataclasses.replace(workload.config, **changes)
    return dataclasses.replace(workload, config=config)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_kept_and_what_the_loss_sees_is_float32(name):
    workload = workloads.load(name, dtype="bfloat16")
    run, shapes = computation(workload)
    kept = jax.tree.leaves((shapes, jax.eval_shape(run, *shapes)))
    assert {leaf.dtype for leaf in kept} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_bfloat16_model_multiplies_in_bfloat16_and_adds_up_in_float32(name):
    workload = workloads.load(name, dtype="bfloat16")
    products = ("dot_general", "conv_general_dilated")
    rounded, exact = (
        sum(result for _, result in sizes(workload, dtype, products))
        for dtype in (jnp.bfloat16, jnp.float32)
    )
    assert rounded > 0 and (name in FEW_IN_BFLOAT16 or rounded > exact)
    # Biases and the like: their gradients are sums over the batch.
    sums = sizes(workload, jnp.bfloat16, ("reduce_sum",))
    assert all(terms == result for terms, result in sums), "a sum in bfloat16"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_float32_model_has_nothing_in_bfloat16(name):
    assert "bf16" not in str(program(workloads.load(name)))


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES],
)
def test_bfloat16_is_near_float32(name):
    found = []
    for dtype in ("float32", "bfloat16"):
        _, loss, gradients = computed(workloads.load(name, dtype=dtype))
        found.append((loss, jnp.concatenate([g.ravel() for g in jax.tree.leaves(gradients)])))
    (loss, exact), (rounded_loss, rounded) = found
    assert rounded_loss == pytest.approx(loss, rel=0.02)
    assert jnp.any(exact != rounded), "nothing was rounded"
    # Whole gradients, since small ones may be all rounding.
    cosine = exact @ rounded / jnp.linalg.norm(exact) / jnp.linalg.norm(rounded)
    assert cosine > 0.98


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_REMAT)
def test_rematerialisation_changes_neither_parameters_nor_gradients(name):
    plain, remat = (
        with_config(workloads.load(name), remat=remat, dtype="float32") for remat in (False, True)
    )
    params, loss, gradients = computed(plain)
    params_remat, loss_remat, gradients_remat = computed(remat)
    jax.tree.map(np.testing.assert_array_equal, params, params_remat)
    assert loss_remat == pytest.approx(loss, rel=1e-6)
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(
            one, other, rtol=1e-3, atol=1e-5 * max(1.0, float(jnp.abs(one).max()))
        ),
        gradients,
        gradients_remat,
    )


@pytest.mark.parametrize("name", WITH_REMAT)
def test_the_full_scale_rematerialises_and_the_lite_one_does_not(name):
    assert workloads.load(name, "full").config.remat
    assert not workloads.load(name, "lite").config.remat
    on, off = (
        {op.primitive.name for op in operations(program(with_config(workload, remat=remat)).jaxpr)}
        for workload in [workloads.load(name)]
        for remat in (True, False)
    )
    assert "remat2" in on - off
