"""Losses in AlgoPerf's form, shared by the workloads."""

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
