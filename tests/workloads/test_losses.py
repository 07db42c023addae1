"""Cross-entropy in chunks, which never has all logits, against the loss of all logits."""

import dataclasses
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import workloads
from algoperf_lite.spec import ForwardPassMode
from workloads.losses import Unembedding, softmax_cross_entropy, unembedded_cross_entropy

CLASSES, WIDTH = 17, 6


def example(size=3, positions=10):
    random = np.random.default_rng(0)
    hidden = random.normal(size=(size, positions, WIDTH)).astype(np.float32)
    table = random.normal(size=(CLASSES, WIDTH)).astype(np.float32)
    labels = random.integers(CLASSES, size=(size, positions))
    return Unembedding(jnp.asarray(hidden), jnp.asarray(table)), jnp.asarray(labels)


def of_all_logits(logits, labels, smoothing=0.0):
    return softmax_cross_entropy(logits.hidden @ logits.table.T, labels, smoothing)


@pytest.mark.parametrize("chunk", [1, 4, 5, 10, 64])  # 4 and 64 do not divide the positions
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_and_gradients_are_those_of_all_logits(chunk, smoothing):
    logits, labels = example()
    weights = jnp.linspace(0.0, 1.0, labels.size).reshape(labels.shape)

    def total(losses):
        return lambda logits: (weights * losses(logits)).sum()

    in_chunks = lambda logits: unembedded_cross_entropy(logits, labels, chunk, smoothing)  # noqa: E731
    at_once = lambda logits: of_all_logits(logits, labels, smoothing)  # noqa: E731
    np.testing.assert_allclose(in_chunks(logits), at_once(logits), rtol=1e-5, atol=1e-5)
    found, expected = (jax.grad(total(losses))(logits) for losses in (in_chunks, at_once))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_no_array_is_as_large_as_all_logits():
    logits, labels = example(positions=64)
    in_chunks = jax.grad(lambda logits: unembedded_cross_entropy(logits, labels, 4).sum())
    at_once = jax.grad(lambda logits: of_all_logits(logits, labels).sum())
    assert _largest_array(in_chunks, logits) < labels.size * CLASSES
    assert _largest_array(at_once, logits) >= labels.size * CLASSES


def _largest_array(function, *arguments):
    """Elements of the largest array in a program, as its text names them."""
    text = jax.jit(function).lower(*arguments).as_text()
    shapes = re.findall(r"tensor<((?:\d+x)+)\w+>", text)
    return max(math.prod(map(int, shape.split("x")[:-1])) for shape in shapes)


@pytest.mark.parametrize("family", ["finewebedu_lm", "wmt"])
def test_a_chunk_changes_no_loss_of_a_workload(family):
    workload = workloads.load(family)
    assert workload.config.loss_chunk == 0 < workloads.load(family, scale="full").config.loss_chunk
    data = workload.dataset("train")
    batch = {name: jnp.asarray(rows[:2]) for name, rows in data.items()}
    shapes = jax.eval_shape(workload.init_model_fn, jax.random.key(0))[0]
    random = np.random.default_rng(0)
    params = jax.tree.map(lambda p: random.normal(0, 0.1, p.shape).astype(p.dtype), shapes)

    def mean_loss(chunk):
        config = dataclasses.replace(workload.config, loss_chunk=chunk)
        changed = dataclasses.replace(workload, config=config)

        def loss(params):
            logits, _ = changed.model_fn(
                params, batch, {}, ForwardPassMode.TRAIN, jax.random.key(1), True
            )
            assert isinstance(logits, Unembedding) == (chunk > 0)
            sums = changed.loss_fn(batch["targets"], logits, None, 0.1)
            return sums["summed"] / sums["n_valid_examples"]

        return jax.jit(jax.value_and_grad(loss))(params)

    (loss, gradient), (expected, expected_gradient) = mean_loss(24), mean_loss(0)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    for ours, theirs in zip(*map(jax.tree.leaves, (gradient, expected_gradient)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
