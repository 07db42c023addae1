"""Connectionist temporal classification (Graves et al. 2006): loss, greedy decoding, word errors.

Shape suffixes: B batch, T frames, V tokens, L target tokens.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import jiwer
import numpy as np
import optax

from algoperf_lite.spec import Array
from workloads import platform
from workloads.librispeech.language import BLANK

METHODS = ("auto", "scan", "kernel")


def ctc_losses(
    logits_BxTxV: Array, logit_paddings_BxT: Array, targets_BxL: Array, method: str = "auto"
) -> jax.Array:
    """Negative log-likelihood of each utterance's tokens, (B,); zeros in targets are padding.

    Args:
      method: "scan" over frames, "kernel" for all frames in one, which needs an NVIDIA GPU, or
        "auto" for the kernel where there is one. All compute the same.

    Raises:
      ValueError: if there is no such method, or no GPU for it.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r} of the CTC loss; expected one of {METHODS}")
    kernel = _kernel() if method != "scan" else None
    if kernel is not None:
        return kernel(logits_BxTxV, logit_paddings_BxT, targets_BxL, BLANK)
    if method == "kernel":
        raise ValueError(
            "the CTC loss by method 'kernel' needs an NVIDIA GPU and a JAX with Pallas's Triton "
            f"backend, and JAX {jax.__version__} computes on {jax.devices()[0].device_kind!r}; "
            "use method 'auto'"
        )
    target_paddings_BxL = (targets_BxL == BLANK).astype(jnp.float32)
    return optax.ctc_loss(
        logits_BxTxV, logit_paddings_BxT, targets_BxL, target_paddings_BxL, blank_id=BLANK
    )


def _kernel() -> Callable[..., jax.Array] | None:
    """`ctc_kernel.ctc_losses` where it runs, else None."""
    if not platform.on_cuda():
        return None
    # Not at the top: Pallas takes a second to load. JAX 0.7 lacks a part of its Triton backend, and
    # later versions mean to drop it.
    try:
        from workloads.librispeech import ctc_kernel
    except ImportError:
        return None
    return ctc_kernel.ctc_losses


def greedy_decode(logits_BxTxV: Array, logit_paddings_BxT: Array) -> jax.Array:
    """The best path's tokens (B, T) int32, repeats and blanks removed, zeros at the end."""
    best_BxT = jnp.where(logit_paddings_BxT > 0, BLANK, logits_BxTxV.argmax(axis=-1))
    before_BxT = jnp.pad(best_BxT[:, :-1], ((0, 0), (1, 0)), constant_values=BLANK)
    kept_BxT = jnp.where(best_BxT == before_BxT, BLANK, best_BxT)
    # A stable sort by "is blank" moves the tokens to the front in their order, in one shape.
    order_BxT = jnp.argsort(kept_BxT == BLANK, axis=1, stable=True)
    return jnp.take_along_axis(kept_BxT, order_BxT, axis=1).astype(jnp.int32)


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Word errors (substitutions, insertions, deletions) over words of the references.

    Without any reference word there is no rate: NaN.
    """
    words = sum(len(reference.split()) for reference in references)
    if not words:
        return float("nan")
    # jiwer refuses an empty reference; every word said against one is an insertion.
    inserted = sum(
        len(hypothesis.split())
        for reference, hypothesis in zip(references, hypotheses, strict=True)
        if not reference.split()
    )
    spoken = [(r, h) for r, h in zip(references, hypotheses, strict=True) if r.split()]
    found = jiwer.process_words(*map(list, zip(*spoken, strict=True)))
    errors = found.substitutions + found.insertions + found.deletions + inserted
    return float(np.float64(errors) / words)
