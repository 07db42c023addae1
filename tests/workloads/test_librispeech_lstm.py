"""LSTMs by cuDNN: the layout of the weights, and what is built around JAX's layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import rnn

from workloads import platform
from workloads.librispeech_deepspeech import lstm
from workloads.librispeech_deepspeech.model import BiLSTM

FEATURES, HIDDEN = 5, 4


def reference(x, h_0, c_0, weights, lengths, *sizes):
    """JAX's layer in plain JAX, which unpacks the weights as cuDNN does."""
    features, hidden, layers, dropout, bidirectional, _ = sizes
    parts = rnn.unpack_lstm_weights(weights, features, hidden, layers, bidirectional)
    return rnn.lstm_ref(
        x, h_0, c_0, *parts, lengths, features, hidden, layers, dropout, bidirectional
    )


def reference_forward(x, h_0, c_0, weights, lengths, *sizes):
    found = reference(x, h_0, c_0, weights, lengths, *sizes)
    return found, (x, h_0, c_0, weights, lengths, found[0], jnp.zeros(3))


def reference_backward(*arguments):
    *sizes, kept, slopes = arguments
    x, h_0, c_0, weights, lengths, *_ = kept
    inner = lambda x, h, c, w: reference(x, h, c, w, lengths, *sizes)  # noqa: E731
    found = jax.vjp(inner, x, h_0, c_0, weights)[1](slopes)
    return (*found, jnp.zeros_like(lengths))


@pytest.fixture
def without_a_card(monkeypatch):
    """cuDNN's layer computed by JAX's reference, so that all around it can be tried anywhere."""
    monkeypatch.setattr(platform, "has_cudnn", lambda: True)
    monkeypatch.setattr(rnn, "lstm_fwd", reference_forward)
    monkeypatch.setattr(rnn, "lstm_bwd", reference_backward)


def inputs(size=4, frames=7, features=FEATURES, hidden=HIDDEN, seed=0):
    random = np.random.default_rng(seed)
    x = jnp.asarray(random.normal(size=(size, frames, features)), jnp.float32)
    lengths = random.integers(1, frames + 1, size)
    lengths[:2] = frames, 0  # an utterance without a frame as well
    valid = jnp.asarray(np.arange(frames) < lengths[:, None])
    shapes = jax.eval_shape(BiLSTM(hidden).init, jax.random.key(0), x, valid)["params"]
    scale = hidden**-0.5
    params = jax.tree.map(lambda p: random.normal(0, scale, p.shape).astype(np.float32), shapes)
    return params, x, valid


def layer_and_gradients(method, params, x, valid, hidden=HIDDEN):
    layer = BiLSTM(hidden, method)
    weights = jnp.cos(jnp.arange(x.shape[0] * x.shape[1] * 2 * hidden, dtype=jnp.float32))

    def total(params, x):
        y = layer.apply({"params": params}, x, valid)
        return (y * weights.reshape(y.shape)).sum(), y

    (_, y), gradients = jax.value_and_grad(total, argnums=(0, 1), has_aux=True)(params, x)
    return y, gradients


def assert_equal(found, expected, atol=1e-5):
    for ours, theirs in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=atol)


def test_outputs_and_gradients_are_the_scans(without_a_card):
    example = inputs()
    assert_equal(*(layer_and_gradients(method, *example) for method in ("cudnn", "scan")))


def test_members_of_a_population_take_turns(without_a_card):
    members = [inputs(seed=seed) for seed in range(2)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    found = jax.jit(jax.vmap(lambda *one: layer_and_gradients("auto", *one)))(*stacked)
    expected = [layer_and_gradients("scan", *one) for one in members]
    assert_equal(found, jax.tree.map(lambda *leaves: np.stack(leaves), *expected))


@pytest.mark.parametrize(
    "default, precision", [("tensorfloat32", "HIGH"), ("bfloat16", "HIGH"), ("float32", "HIGHEST")]
)
def test_full_float32_is_for_whom_it_was_asked(default, precision):
    x = jnp.zeros((1, 2, FEATURES))
    with jax.default_matmul_precision(default):
        assert lstm._sizes(x, HIDDEN, lstm._is_precise())[-1] == jax.lax.Precision[precision]


def test_a_method_without_its_device_is_refused():
    params, x, valid = inputs()
    with pytest.raises(ValueError, match="unknown method 'cuda'"):
        BiLSTM(HIDDEN, "cuda").apply({"params": params}, x, valid)
    if not platform.has_cudnn():
        with pytest.raises(ValueError, match="needs an NVIDIA GPU"):
            BiLSTM(HIDDEN, "cudnn").apply({"params": params}, x, valid)


@pytest.mark.accelerator
@pytest.mark.parametrize("size, frames, features, hidden", [(5, 9, 5, 4), (32, 200, 128, 64)])
def test_on_a_gpu_cudnn_equals_the_scan(size, frames, features, hidden):
    if not platform.has_cudnn():
        pytest.skip("cuDNN is for NVIDIA's cards")
    example = inputs(size, frames, features, hidden)
    with jax.default_matmul_precision("highest"):
        compared = [layer_and_gradients(m, *example, hidden) for m in ("cudnn", "scan")]
    # Gradients of weights are sums over all frames of all utterances.
    assert_equal(*compared, atol=1e-5 * size * frames**0.5)


@pytest.mark.accelerator
def test_on_a_gpu_members_take_turns():
    if not platform.has_cudnn():
        pytest.skip("cuDNN is for NVIDIA's cards")
    members = [inputs(seed=seed) for seed in range(2)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    with jax.default_matmul_precision("highest"):
        found = jax.vmap(lambda *one: layer_and_gradients("cudnn", *one))(*stacked)
        expected = [layer_and_gradients("scan", *one) for one in members]
    assert_equal(found, jax.tree.map(lambda *leaves: np.stack(leaves), *expected), atol=1e-4)
