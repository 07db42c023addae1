"""The CTC kernel against optax's scan: losses and gradients of every kind of utterance."""

import contextlib
import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests import wide
from workloads import platform
from workloads.librispeech import ctc

ctc_kernel = pytest.importorskip("workloads.librispeech.ctc_kernel", exc_type=ImportError)

FRAMES, TOKENS = 13, 6
# Of each utterance: frames, target.
POSSIBLE = [
    (13, ()),  # nothing was said
    (13, (3,)),
    (9, (1, 2, 3)),  # padded frames
    (13, (2, 2, 2, 2, 2)),  # a blank has to lie between any two
    (13, (1, 1, 2, 2, 1)),
    (5, (5, 4, 3, 2, 1)),  # one frame for each token
    (1, (4,)),
    (0, ()),  # all padding
]
IMPOSSIBLE = [(2, (5, 4, 3, 2, 1)), (4, (1, 1, 1)), (0, (1,))]  # fewer frames than it takes


def utterances(cases, seed=0, frames=FRAMES, tokens=TOKENS, length=5):
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (len(cases), frames, tokens)).astype(np.float32)
    heard = np.array([case[0] for case in cases])
    paddings = (np.arange(frames) >= heard[:, None]).astype(np.float32)
    targets = np.zeros((len(cases), length), np.int32)
    for row, (_, target) in zip(targets, cases, strict=True):
        row[: len(target)] = target
    return jnp.asarray(logits), jnp.asarray(paddings), jnp.asarray(targets)


def by_kernel(logits, paddings, targets, interpret=True):
    return ctc_kernel.ctc_losses(logits, paddings, targets, 0, interpret)


def by_optax(logits, paddings, targets):
    return optax.ctc_loss(logits, paddings, targets, (targets == 0).astype(jnp.float32))


@functools.partial(jax.jit, static_argnums=0)
def losses_and_gradients(losses, logits, paddings, targets):
    # Unequal weights, so that a gradient of one utterance in another's place would show.
    weights = jnp.linspace(0.5, 2.0, len(logits))

    def total(logits):
        found = losses(logits, paddings, targets)
        return (weights * found).sum(), found

    gradients, found = jax.grad(total, has_aux=True)(logits)
    return found, gradients


def long_utterances(frames):
    random = np.random.default_rng(3)
    cases = [(length, tuple(random.integers(1, 50, length // 5))) for length in frames]
    return utterances([*POSSIBLE, *cases], frames=max(frames), tokens=50, length=max(frames) // 5)


def in_float64(logits, paddings, targets):
    """By optax, whose own sums over hundreds of frames cost float32 three of its digits."""
    with wide.double_precision(True):
        batch = np.asarray(logits, np.float64), np.asarray(paddings, np.float64), targets
        return jax.tree.map(np.asarray, losses_and_gradients(by_optax, *map(jnp.asarray, batch)))


def assert_equal(found, expected, atol=1e-5):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=atol)


def test_losses_and_gradients_are_optaxs():
    batch = utterances(POSSIBLE)
    found = losses_and_gradients(by_kernel, *batch)
    assert_equal(found, losses_and_gradients(by_optax, *batch))
    assert not np.any(found[1][np.asarray(batch[1]) > 0])  # padding has no slope
    assert found[0][7] == 0 and np.all(np.any(found[1][:7], axis=(1, 2)))


def test_a_target_longer_than_its_frames_has_a_large_loss_and_a_finite_gradient():
    batch = utterances(IMPOSSIBLE)
    found = losses_and_gradients(by_kernel, *batch)
    assert np.all(found[0] > 0.9e5)
    # At a loss of 1e5, float32 tells probabilities apart by a hundredth.
    assert_equal(found, losses_and_gradients(by_optax, *batch), atol=0.02)


def test_frames_may_be_missing_anywhere():
    logits, _, targets = utterances(POSSIBLE[:5])
    paddings = (np.random.default_rng(1).uniform(size=(5, FRAMES)) < 0.3).astype(np.float32)
    batch = logits, jnp.asarray(paddings), targets
    assert_equal(*(losses_and_gradients(losses, *batch) for losses in (by_kernel, by_optax)))


def test_many_frames_and_tokens():
    random = np.random.default_rng(2)
    cases = [(frames, tuple(random.integers(1, 40, 33))) for frames in (100, 70)]
    batch = utterances(cases, frames=100, tokens=40, length=40)
    compared = [losses_and_gradients(losses, *batch) for losses in (by_kernel, by_optax)]
    # Logarithms in the hundreds are good to some 1e-5, and so are both gradients.
    assert_equal(*compared, atol=1e-4)


def test_logits_of_few_bits_are_summed_in_float32():
    logits, paddings, targets = utterances(POSSIBLE)
    logits = logits.astype(jnp.bfloat16)
    losses, gradients = losses_and_gradients(by_kernel, logits, paddings, targets)
    assert losses.dtype == jnp.float32 and gradients.dtype == jnp.bfloat16
    assert_equal([losses], [by_optax(logits.astype(jnp.float32), paddings, targets)])


def test_under_vmap_and_scan():
    batches = [utterances(POSSIBLE, seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
    expected = jax.tree.map(
        lambda *leaves: np.stack(leaves),
        *(losses_and_gradients(by_optax, *batch) for batch in batches),
    )
    one = functools.partial(losses_and_gradients, by_kernel)
    assert_equal(jax.vmap(one)(*stacked), expected)
    _, scanned = jax.lax.scan(lambda carry, batch: (carry, one(*batch)), 0, stacked)
    assert_equal(scanned, expected)


def test_without_a_gpu_the_loss_is_optaxs_bit_for_bit(monkeypatch):
    monkeypatch.setattr(platform, "on_cuda", lambda: False)
    batch = utterances(POSSIBLE)
    assert np.array_equal(ctc.ctc_losses(*batch), by_optax(*batch))
    with pytest.raises(ValueError, match="needs an NVIDIA GPU"):
        ctc.ctc_losses(*batch, method="kernel")
    with pytest.raises(ValueError, match="unknown method 'triton'"):
        ctc.ctc_losses(*batch, method="triton")


def for_a_gpu():
    """Lowering for an H100 that need not be here; JAX before 0.11 takes one for granted."""
    device = getattr(jax.sharding, "AbstractDevice", None)
    if device is None or "platform" not in inspect.signature(device).parameters:
        return contextlib.nullcontext()
    card = device("NVIDIA H100 80GB HBM3", num_cores=132, platform="gpu")
    return jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=card))


def test_losses_and_gradient_are_one_launch_on_a_gpu(monkeypatch):
    monkeypatch.setattr(platform, "on_cuda", lambda: True)
    logits, paddings, targets = utterances(POSSIBLE)
    for method, launches in (("auto", 1), ("scan", 0)):
        gradient = jax.jit(
            jax.grad(lambda x, m=method: ctc.ctc_losses(x, paddings, targets, m).sum())
        )
        with for_a_gpu():
            program = gradient.trace(logits).lower(lowering_platforms=("cuda",)).as_text()
        assert program.count("xla.gpu.triton") == launches
        assert ("stablehlo.while" in program) == (launches == 0)


def test_long_utterances_keep_their_digits():
    batch = long_utterances(frames=(200, 140))
    found = losses_and_gradients(by_kernel, *batch)
    expected = in_float64(*batch)
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-6)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5 * np.abs(expected[1]).max())


@pytest.mark.accelerator
@pytest.mark.filterwarnings("ignore:The Pallas Triton backend:DeprecationWarning")
@pytest.mark.parametrize("members", [0, 2])
def test_on_a_gpu_the_kernel_computes_what_a_scan_in_float64_does(members):
    if not platform.on_cuda():
        pytest.skip("the kernel is written for NVIDIA's cards")
    batch = long_utterances(frames=(500, 350, 210))
    losses = functools.partial(ctc.ctc_losses, method="kernel")
    step = functools.partial(losses_and_gradients, losses)
    expected = in_float64(*batch)
    # The gradient is a product, which TF32 would round.
    with jax.default_matmul_precision("highest"):
        if members:
            found = jax.vmap(step)(*(jnp.stack([leaf] * members) for leaf in batch))
            expected = [np.stack([leaf] * members) for leaf in expected]
        else:
            found = step(*batch)
    # The card's exponentials are good for 22 bits, and five hundred of them follow one another.
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-4 * np.abs(expected[1]).max())
