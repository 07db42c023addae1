"""mnist, fashion_mnist and cifar: AlgoPerf's models, and pictures cropped and mirrored."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import workloads
from algoperf_lite.spec import ForwardPassMode

NUM_PARAMS = {"mnist": 101_770, "fashion_mnist": 101_770, "cifar": 11_173_962}


@pytest.mark.parametrize("name", NUM_PARAMS)
def test_they_have_algoperfs_parameter_count(name):
    workload = workloads.load(name, "full")
    assert workload.num_params == NUM_PARAMS[name]
    assert list(filter(workload.is_output_params, workload.param_shapes)) == ["head"]


def test_they_are_no_families_of_lite():
    assert set(NUM_PARAMS).isdisjoint(workloads.names())
    assert set(NUM_PARAMS) < set(workloads.names("full"))
    assert set(workloads.names()) - set(workloads.names("full")) == {"digits"}
    with pytest.raises(ValueError, match="scale of workload 'mnist'"):
        workloads.load("mnist")
    with pytest.raises(ValueError, match="did you mean 'mnist'"):
        workloads.locate("minst")


def test_the_running_statistics_of_cifar_are_those_of_a_resnet_18():
    workload = workloads.load("cifar", "full")
    state = jax.eval_shape(workload.init_model_fn, jax.random.key(0))[1]
    assert sum(leaf.size for leaf in jax.tree.leaves(state)) == 9600


def test_mnist_is_a_perceptron_of_pixels_standardised_as_algoperf_does():
    workload = workloads.load("mnist", "full")
    params, state = workload.init_model_fn(jax.random.key(0))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), dtype=np.uint8)
    batch = {"inputs": pixels}
    logits, _ = workload.model_fn(params, batch, state, ForwardPassMode.EVAL, None, False)
    first, last = params["Dense_0"], params["head"]
    x = (pixels.reshape(3, -1).astype(np.float64) - 0.1307) / 0.3081
    hidden = scipy.special.expit(x @ first["kernel"] + first["bias"])
    expected = hidden @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-3)


def test_cifar_pictures_are_crops_of_padded_ones_and_half_are_mirrored():
    workload = workloads.load("cifar", "full")
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)
    batch = {"inputs": pixels, "targets": np.zeros(200, np.int32)}
    changed = np.asarray(jax.jit(workload.augment)(batch, jax.random.key(0))["inputs"])
    assert changed.dtype == np.uint8 and changed.shape == pixels.shape
    padded = np.pad(pixels, ((0, 0), (2, 2), (2, 2), (0, 0)))
    found = []
    for before, after in zip(padded, changed, strict=True):
        crops = {
            (y, x, flip): before[y : y + 32, x : x + 32][:, :: -1 if flip else 1]
            for y in range(5) for x in range(5) for flip in (False, True)
        }  # fmt: skip
        (place,) = (place for place, crop in crops.items() if np.array_equal(crop, after))
        found.append(place)
    assert {place[:2] for place in found} == {(y, x) for y in range(5) for x in range(5)}
    assert 70 < sum(flip for *_, flip in found) < 130


@pytest.mark.parametrize("name", NUM_PARAMS)
def test_they_can_compute_in_bfloat16_with_float32_logits_and_state(name):
    exact, rounded = (workloads.load(name, "full", dtype) for dtype in ("float32", "bfloat16"))
    random = np.random.default_rng(0)
    inputs = random.integers(0, 256, (2, *exact.shape), dtype=np.uint8)
    batch = {"inputs": inputs, "targets": np.arange(2)}
    params, state = jax.jit(exact.init_model_fn)(jax.random.key(0))

    def outcome(workload):
        def forward(params, state):
            mode = ForwardPassMode.TRAIN
            return workload.model_fn(params, batch, state, mode, jax.random.key(1), True)

        return str(jax.make_jaxpr(forward)(params, state)), jax.jit(forward)(params, state)

    program, (logits, _) = outcome(exact)
    rounded_program, (rounded_logits, rounded_state) = outcome(rounded)
    assert "bf16" not in program and "bf16" in rounded_program
    kept = jax.tree.leaves((rounded_logits, rounded_state))
    assert {leaf.dtype for leaf in kept} == {jnp.dtype(jnp.float32)}
    assert not np.array_equal(logits, rounded_logits)
    np.testing.assert_allclose(rounded_logits, logits, rtol=0.05, atol=0.05)
