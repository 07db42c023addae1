"""Beam search with a length penalty (Wu et al. 2016, section 7; Vaswani et al. 2017).

Shape suffixes: N sentences, W beams, L tokens of an output, S = L * W cache slots, V vocabulary,
C = 2 * W candidates.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

_NEVER = -1e9  # a log-probability that loses to any

# (tokens_NxW, index, visible_NxWxS, cache) -> logits (N, W, V) of the next token, cache. Beam w
# keeps what belongs to step t in slot t * W + w; `visible` marks the slots of a beam's own past.
Step = Callable[[jax.Array, jax.Array, jax.Array, Any], tuple[jax.Array, Any]]


class _State(NamedTuple):
    """Live hypotheses, best first, and the best finished ones with their penalised scores."""

    index: jax.Array
    live_NxWxL: jax.Array
    log_prob_NxW: jax.Array
    last_NxW: jax.Array
    visible_NxWxS: jax.Array
    done_NxL: jax.Array
    score_N: jax.Array
    cache: Any


def length_penalty(length: jax.Array | int, alpha: float) -> jax.Array | float:
    """By which the log-probability of a hypothesis of `length` tokens, end included, is divided."""
    return ((5.0 + length) / 6.0) ** alpha


def beam_search(
    step: Step,
    cache: Any,
    num_sentences: int,
    max_len: int,
    end: int,
    beams: int = 4,
    alpha: float = 0.6,
) -> jax.Array:
    """The hypothesis (N, max_len) int32 with the best score of each sentence, 0 after its end.

    The first step is given token 0. A sentence of which no hypothesis ended gets its likeliest.
    Stops when no live hypothesis can beat the finished one of its sentence any more.
    """
    n, w = num_sentences, beams
    state = _State(
        index=jnp.int32(0),
        live_NxWxL=jnp.zeros((n, w, max_len), jnp.int32),
        log_prob_NxW=jnp.full((n, w), _NEVER).at[:, 0].set(0.0),  # else all beams are one
        last_NxW=jnp.zeros((n, w), jnp.int32),
        visible_NxWxS=jnp.zeros((n, w, max_len * w), bool),
        done_NxL=jnp.zeros((n, max_len), jnp.int32),
        score_N=jnp.full(n, _NEVER),
        cache=cache,
    )

    def goes_on(state: _State) -> jax.Array:
        # Log-probabilities only fall and the penalty only grows: a bound on what can still come.
        bound_N = state.log_prob_NxW[:, 0] / length_penalty(max_len, alpha)
        return (state.index < max_len) & jnp.any(bound_N > state.score_N)

    state = jax.lax.while_loop(goes_on, lambda state: _extend(step, state, end, alpha), state)
    ended_Nx1 = state.score_N[:, None] > _NEVER / 2
    return jnp.where(ended_Nx1, state.done_NxL, state.live_NxWxL[:, 0])


def _extend(step: Step, state: _State, end: int, alpha: float) -> _State:
    """One more token: the best 2W of all W * V ways, of which at least W do not end."""
    n, w, max_len = state.live_NxWxL.shape
    # The step's own slots become visible, each to its beam. Slots are never moved when beams
    # change places, which would copy the whole cache in every step; the masks are moved.
    own_WxS = jnp.arange(max_len * w) == state.index * w + jnp.arange(w)[:, None]
    visible_NxWxS = state.visible_NxWxS | own_WxS
    logits_NxWxV, cache = step(state.last_NxW, state.index, visible_NxWxS, state.cache)
    log_prob_NxWxV = jax.nn.log_softmax(logits_NxWxV) + state.log_prob_NxW[:, :, None]
    vocab = logits_NxWxV.shape[-1]
    log_prob_NxC, way_NxC = jax.lax.top_k(log_prob_NxWxV.reshape(n, -1), 2 * w)
    beam_NxC, token_NxC = way_NxC // vocab, way_NxC % vocab
    ends_NxC = token_NxC == end

    def of(beams: jax.Array, chosen: jax.Array) -> jax.Array:
        return jnp.take_along_axis(beams, chosen.reshape(*chosen.shape, *[1] * (beams.ndim - 2)), 1)

    best_NxW, among_NxW = jax.lax.top_k(jnp.where(ends_NxC, _NEVER, log_prob_NxC), w)
    parent_NxW, last_NxW = of(beam_NxC, among_NxW), of(token_NxC, among_NxW)
    live_NxWxL = of(state.live_NxWxL, parent_NxW).at[:, :, state.index].set(last_NxW)

    # Of the hypotheses that end here, only the best can become its sentence's best.
    score_NxC = jnp.where(ends_NxC, log_prob_NxC / length_penalty(state.index + 1, alpha), _NEVER)
    best_Nx1 = score_NxC.argmax(axis=1)[:, None]
    score_N = of(score_NxC, best_Nx1)[:, 0]
    done_NxL = of(state.live_NxWxL, of(beam_NxC, best_Nx1))[:, 0].at[:, state.index].set(end)
    better_N = score_N > state.score_N
    return _State(
        state.index + 1,
        live_NxWxL,
        best_NxW,
        last_NxW,
        of(visible_NxWxS, parent_NxW),
        jnp.where(better_N[:, None], done_NxL, state.done_NxL),
        jnp.maximum(score_N, state.score_N),
        cache,
    )
