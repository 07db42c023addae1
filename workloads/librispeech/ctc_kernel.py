"""CTC's forward-backward recursion as one kernel: a block of threads per utterance, all its frames.

A scan over frames launches some twenty kernels a frame. Here one launch gives the losses, or the
losses and what the gradient is made of. Written in Pallas for Triton, so for NVIDIA's cards alone.

Shape suffixes: B batch, T frames, V tokens, L target tokens, P = L + 1 positions. Position n has
two states: "label", in which the n-th token was heard last, and "blank", in which a blank came
after it. Position 0 is that before the first token and has a blank alone. Names begin with `a` for
log alpha, the probability of the frames so far, and with `b` for log beta, that of the frames to
come (Graves et al. 2006, section 4.1).

Both are kept relative to the likeliest state of their frame: a sum over five hundred frames is in
the thousands, where float32 has three digits left of a probability.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas.triton import CompilerParams, debug_barrier, load, store

from algoperf_lite.spec import Array

# Stands for the logarithm of zero, as in optax's loss: a target that does not fit into its frames
# then has a large loss and not an infinite one.
_LOG_ZERO = -1e5
_NEVER = -1e30  # of lanes that are no state; far below _LOG_ZERO, and still no infinity to subtract


class Chain(NamedTuple):
    """What the kernel needs to know of a batch.

    Attributes:
      scores_BxTxP: log-probability of the blank in column 0, of the n-th token in column n.
      again_BxP: `_LOG_ZERO` where token n + 1 equals token n, between which a blank has to lie.
      padding_BxT: 1.0 for a frame that is not there.
      length_Bx1: tokens of each target, int32.
    """

    scores_BxTxP: jax.Array
    again_BxP: jax.Array
    padding_BxT: jax.Array
    length_Bx1: jax.Array


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def ctc_losses(
    logits_BxTxV: Array,
    logit_paddings_BxT: Array,
    targets_BxL: Array,
    blank: int,
    interpret: bool = False,
) -> jax.Array:
    """Negative log-likelihood of each utterance's tokens, (B,) float32.

    Equals `optax.ctc_loss` in values and gradients. Targets are tokens followed by blanks as
    padding. `interpret` runs the kernel's program on any device, slowly.
    """
    chain = _chain(logits_BxTxV, logit_paddings_BxT, targets_BxL, blank)
    return _recursion(chain, False, interpret)[0]


def _forward(logits: Array, paddings: Array, targets: Array, blank: int, interpret: bool) -> tuple:
    chain = _chain(logits, paddings, targets, blank)
    losses_B, in_blank_BxTxP, in_label_BxTxP = _recursion(chain, True, interpret)
    heard_BxTxP = in_label_BxTxP.at[..., 0].set(in_blank_BxTxP.sum(axis=-1))
    # The likeliest state of a frame is 1 before this; those of padding are all 0, and stay it.
    heard_BxTxP /= jnp.maximum(1, heard_BxTxP.sum(axis=-1, keepdims=True))
    return losses_B, (logits, heard_BxTxP, targets)


def _backward(blank: int, interpret: bool, kept: tuple, slopes_B: Array) -> tuple:
    """Softmax less the probability, given the target, that a frame holds a token (eq. 16 there)."""
    del interpret
    logits_BxTxV, heard_BxTxP, targets_BxL = kept
    tokens_BxP = _tokens(targets_BxL, blank)
    one_hot_BxPxV = jax.nn.one_hot(tokens_BxP, logits_BxTxV.shape[-1])
    # A product and not a scatter: atomic additions would come in another order each time.
    precise = jax.lax.Precision.HIGHEST
    found_BxTxV = jnp.einsum("btp,bpv->btv", heard_BxTxP, one_hot_BxPxV, precision=precise)
    # 1 for a frame that is there, and 0 for padding.
    mass_BxTx1 = (heard_BxTxP.max(axis=-1, keepdims=True) > 0).astype(jnp.float32)
    expected_BxTxV = jax.nn.softmax(logits_BxTxV.astype(jnp.float32)) * mass_BxTx1
    slopes = slopes_B[:, None, None] * (expected_BxTxV - found_BxTxV)
    return slopes.astype(logits_BxTxV.dtype), None, None


ctc_losses.defvjp(_forward, _backward)


def _tokens(targets_BxL: Array, blank: int) -> jax.Array:
    """The token of each column of the scores, (B, P)."""
    return jnp.pad(targets_BxL.astype(jnp.int32), ((0, 0), (1, 0)), constant_values=blank)


def _chain(logits_BxTxV: Array, paddings_BxT: Array, targets_BxL: Array, blank: int) -> Chain:
    tokens_BxP = _tokens(targets_BxL, blank)
    log_probs_BxTxV = jax.nn.log_softmax(logits_BxTxV.astype(jnp.float32))
    scores_BxTxP = jnp.take_along_axis(log_probs_BxTxV, tokens_BxP[:, None, :], axis=-1)
    repeats_BxP = jnp.pad(tokens_BxP[:, 1:-1] == tokens_BxP[:, 2:], ((0, 0), (1, 1)))
    again_BxP = jnp.where(repeats_BxP, _LOG_ZERO, 0.0)
    length_Bx1 = (targets_BxL != blank).sum(axis=1, keepdims=True).astype(jnp.int32)
    return Chain(scores_BxTxP, again_BxP, paddings_BxT.astype(jnp.float32), length_Bx1)


def _recursion(chain: Chain, with_posteriors: bool, interpret: bool) -> tuple[jax.Array, ...]:
    """(losses (B,)) or (losses, posteriors of the blank states, of the label states (B, T, P)),
    the likeliest state of each frame being 1."""
    size, num_frames, positions = chain.scores_BxTxP.shape
    # Triton's vectors have powers of two as lengths.
    width = max(2, pl.next_power_of_2(positions))

    def row(*shape: int) -> pl.BlockSpec:
        return pl.BlockSpec((None, *shape), lambda i: (i, *[0] * len(shape)))

    # Threads of a block meet in global memory: Triton has no other way from lane to lane.
    shapes = [(1,), (2, positions)] + [(num_frames, positions)] * (2 * with_posteriors)
    found = pl.pallas_call(
        functools.partial(_kernel, width=width, interpret=interpret),
        grid=(size,),
        in_specs=[row(num_frames, positions), row(positions), row(num_frames), row(1)],
        out_specs=[row(*shape) for shape in shapes],
        out_shape=[jax.ShapeDtypeStruct((size, *shape), jnp.float32) for shape in shapes],
        # One stage: loads of a later frame must not be moved before the stores of this one.
        compiler_params=CompilerParams(num_warps=max(1, min(8, width // 64)), num_stages=1),
        interpret=interpret,
        name="ctc",
    )(*chain)
    return found[0][:, 0], *found[2:]


@dataclasses.dataclass(frozen=True)
class _Block:
    """The threads of one utterance: its arrays, and a lane for each position.

    Attributes:
      meeting_2xP: where threads leave numbers for each other.
      interpret: whether a single thread does everything.
    """

    scores_TxP: Any
    padding_T: Any
    meeting_2xP: Any
    lanes: jax.Array
    interpret: bool

    @property
    def is_position(self) -> jax.Array:
        return self.lanes < self.scores_TxP.shape[1]

    @property
    def is_label(self) -> jax.Array:
        return self.is_position & (self.lanes > 0)

    def read(self, frame: Array) -> tuple[Array, Array, Array]:
        """Log-probabilities of the blank and of each lane's token; whether the frame is padding."""
        token = load(self.scores_TxP.at[frame, self.lanes], mask=self.is_position, other=0.0)
        return self.scores_TxP[frame, 0], token, self.padding_T[frame] > 0

    def moved(self, frame: Array, x: Array, by: int) -> Array:
        """`x` as the lane `by` places ahead has it."""
        # Two rows in turns: who is late in reading one finds it as it was behind this barrier.
        row, theirs = frame & 1, self.lanes + by
        store(self.meeting_2xP.at[row, self.lanes], x, mask=self.is_position)
        self.barrier()
        is_there = (theirs >= 0) & (theirs < self.scores_TxP.shape[1])
        return load(self.meeting_2xP.at[row, theirs], mask=is_there, other=_NEVER)

    def barrier(self) -> None:
        """Waits for all threads and makes visible what they stored."""
        if not self.interpret:
            debug_barrier()


def _kernel(
    scores_TxP: Any,
    again_P: Any,
    padding_T: Any,
    length_1: Any,
    losses_1: Any,
    meeting_2xP: Any,
    *posteriors_TxP: Any,
    width: int,
    interpret: bool,
) -> None:
    """One utterance. Posteriors, where they are asked for, hold log alpha until beta comes by."""
    block = _Block(scores_TxP, padding_T, meeting_2xP, jnp.arange(width), interpret)
    again = load(again_P.at[block.lanes], mask=block.is_position, other=0.0)
    is_last = block.lanes == length_1[0]
    *ends, total = _ahead(block, again, posteriors_TxP)
    losses_1[0] = -total - jnp.sum(jnp.where(is_last, _log_add(*ends), 0.0))
    if posteriors_TxP:
        block.barrier()
        _back(block, again, is_last, posteriors_TxP)


def _ahead(block: _Block, again: Array, kept_TxP: Sequence[Any]) -> tuple[Array, ...]:
    """Log alpha of both states after the last frame, and what it is relative to; those of every
    frame go to `kept_TxP`."""

    def step(frame: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        a_blank, a_label, total = states
        blank, token, is_padding = block.read(frame)
        # A token comes after its own last frame, after a blank, or right after another token.
        before = block.moved(frame, _log_add(a_blank, a_label + again), by=-1)
        next_label = jnp.where(block.is_label, token + _log_add(a_label, before), _NEVER)
        next_blank = blank + _log_add(a_blank, a_label)
        next_blank, next_label, top = _relative(next_blank, next_label)
        a_blank = jnp.where(is_padding, a_blank, next_blank)
        a_label = jnp.where(is_padding, a_label, next_label)
        for kept, a in zip(kept_TxP, (a_blank, a_label), strict=False):
            store(kept.at[frame, block.lanes], a, mask=block.is_position)
        return a_blank, a_label, total + jnp.where(is_padding, 0.0, top)

    start = (
        jnp.where(block.lanes == 0, 0.0, _LOG_ZERO),
        jnp.where(block.is_label, _LOG_ZERO, _NEVER),
        jnp.float32(0),
    )
    return jax.lax.fori_loop(0, block.scores_TxP.shape[0], step, start)


def _back(block: _Block, again: Array, is_last: Array, kept_TxP: Sequence[Any]) -> None:
    """Turns log alpha in `kept_TxP` into each state's probability given the target, over that of
    the likeliest."""
    num_frames = block.scores_TxP.shape[0]

    def step(index: Array, states: tuple[Array, Array]) -> tuple[Array, Array]:
        frame = num_frames - 1 - index
        blank, token, is_padding = block.read(frame)
        alphas = [
            load(kept.at[frame, block.lanes], mask=block.is_position, other=_NEVER)
            for kept in kept_TxP
        ]
        from_blank, from_label = blank + states[0], token + states[1]
        after = block.moved(frame, from_label, by=1)
        # Only behind the barrier: until then another thread may still have to read its alpha here.
        *joint, _ = _relative(*(a + b for a, b in zip(alphas, states, strict=True)))
        for kept, x in zip(kept_TxP, joint, strict=True):
            posterior = jnp.where(is_padding, 0.0, jnp.exp(x))
            store(kept.at[frame, block.lanes], posterior, mask=block.is_position)
        b_blank = _log_add(from_blank, after)
        b_label = _log_add(_log_add(from_blank, from_label), after + again)
        b_blank, b_label, _ = _relative(b_blank, b_label)
        return (
            jnp.where(is_padding, states[0], b_blank),
            jnp.where(is_padding, states[1], b_label),
        )

    end = jnp.where(is_last, 0.0, _NEVER)
    jax.lax.fori_loop(0, num_frames, step, (end, jnp.where(block.is_label, end, _NEVER)))


def _relative(x_blank: Array, x_label: Array) -> tuple[Array, Array, Array]:
    """Logarithms over the largest of them, and that one."""
    top = jnp.maximum(jnp.max(x_blank), jnp.max(x_label))
    return x_blank - top, x_label - top, top


def _log_add(x: Array, y: Array) -> Array:
    """log(exp x + exp y) of finite numbers."""
    return jnp.maximum(x, y) + jnp.log(1 + jnp.exp(-jnp.abs(x - y)))
