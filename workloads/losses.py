"""Losses in AlgoPerf's form, shared by the workloads."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from algoperf_lite.spec import Array


def softmax_cross_entropy(
    logits: Array, labels: Array, label_smoothing: Array | float = 0.0
) -> jax.Array:
    """Cross-entropy of `labels` under `logits` (..., classes), un-reduced (...).

    Labels are integers (...) or, where a batch was mixed, probabilities (..., classes).
    Smoothing mixes the label with the uniform distribution over all classes (Szegedy et al. 2016,
    section 7); the rate may be traced.
    """
    log_probs = jax.nn.log_softmax(logits)
    if labels.ndim == logits.ndim:
        of_label = (labels * log_probs).sum(axis=-1)
    else:
        of_label = jnp.take_along_axis(log_probs, labels[..., None], axis=-1)[..., 0]
    # A traced rate cannot be branched on; a plain 0 saves the mean over the vocabulary.
    if isinstance(label_smoothing, float | int) and label_smoothing == 0:
        return -of_label
    return -((1 - label_smoothing) * of_label + label_smoothing * log_probs.mean(axis=-1))


class Unembedding(NamedTuple):
    """Logits before they are made: `hidden` times the transpose of `table`.

    Attributes:
      hidden: of each position (B, T, D), in the type that the product is to have.
      table: of all classes (V, D), float32.
    """

    hidden: jax.Array
    table: jax.Array


def unembedded_cross_entropy(
    logits: Unembedding, labels: Array, chunk: int, label_smoothing: Array | float = 0.0
) -> jax.Array:
    """`softmax_cross_entropy` of integer labels (B, T), never with the logits of the whole batch.

    The logits of `chunk` positions of every example exist at a time. The backward pass makes them
    anew, which costs a language model a sixteenth more arithmetic and saves B T V numbers.
    """
    size, num_positions, width = logits.hidden.shape
    # Chunks of positions and not of examples, so that devices keep the examples that they have.
    end = -num_positions % chunk
    hidden = jnp.pad(logits.hidden, ((0, 0), (0, end), (0, 0)))
    labels = jnp.pad(labels, ((0, 0), (0, end)))
    hidden = hidden.reshape(size, -1, chunk, width).swapaxes(0, 1)
    labels = labels.reshape(size, -1, chunk).swapaxes(0, 1)

    @jax.checkpoint
    def of_chunk(hidden: jax.Array, labels: jax.Array) -> jax.Array:
        # Rounded in here, so that the table's gradient is summed over chunks in float32.
        flat = hidden.reshape(-1, width) @ logits.table.astype(hidden.dtype).T
        flat_losses = softmax_cross_entropy(
            flat.astype(jnp.float32), labels.reshape(-1), label_smoothing
        )
        return flat_losses.reshape(labels.shape)

    _, losses = jax.lax.scan(lambda carry, one: (carry, of_chunk(*one)), None, (hidden, labels))
    return losses.swapaxes(0, 1).reshape(size, -1)[:, :num_positions]


def sigmoid_cross_entropy(logits: Array, labels: Array) -> jax.Array:
    """Binary cross-entropy of `labels` in [0, 1] under `logits` of any size, un-reduced."""
    # -y log s(x) - (1 - y) log(1 - s(x)), written so that no exponential overflows.
    return jnp.maximum(logits, 0) - logits * labels + jnp.log1p(jnp.exp(-jnp.abs(logits)))


def weighted_loss(per_example: Array, weights: Array | None) -> dict[str, jax.Array]:
    """AlgoPerf's loss dictionary from un-reduced losses and optional weights of the same shape."""
    if weights is None:
        weights = jnp.ones_like(per_example)
    return {
        "summed": (per_example * weights).sum(),
        "n_valid_examples": weights.sum(),
        "per_example": per_example * weights,
    }
