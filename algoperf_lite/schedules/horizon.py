"""Functions of the step: schedules without a horizon, and what puts shapes on one."""

from collections.abc import Callable, Sequence
from typing import Annotated

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.schedules.ranges import between, log_between
from algoperf_lite.schedules.shapes import (
    HalfStep,
    Positive,
    Scalar,
    Shape,
    Share,
    cosine,
    exponential_to_zero,
)

Schedule = Callable[[Scalar], jax.Array]


def inverse_sqrt(peak: Scalar, warmup_steps: Scalar, timescale: Positive | None = None) -> Schedule:
    """peak sqrt(tau / (tau + t - w)) at step t after a linear warmup of w steps.

    Without a `timescale` tau is w: Vaswani et al. 2017, where the rate is peak sqrt(w / t). Another
    tau, in steps, is the shifted form of big_vision and Hugging Face.
    """

    def schedule(count: Scalar) -> jax.Array:
        count, tau = _float(count), warmup_steps if timescale is None else timescale
        tau = jnp.maximum(_float(tau), 1.0)
        since = jnp.maximum(count - warmup_steps, 0.0)
        return peak * _warmup(count, warmup_steps) * jnp.sqrt(tau / (tau + since))

    return schedule


def power(
    peak: Scalar,
    batch_size: Scalar,
    tokens_per_step: Scalar,
    warmup_steps: Scalar,
    a: Annotated[Positive, log_between(0.025, 6.4)] = 4.0,
    b: Annotated[Scalar, between(-0.6, -0.4)] = -0.51,
) -> Schedule:
    """min(peak, batch_size a n^b) at n tokens, after a linear warmup to its value there.

    The Power scheduler (Shen et al. 2024, arXiv 2408.13359, eq. 7 and 8), with the a and b of its
    experiments, found with muP and sequences of 4096 tokens; eta_max, here `peak`, was 0.02. For
    the decay at the end see `cool_down`.

    Args:
      batch_size: in sequences.
      tokens_per_step: n is the whole run's step times this; a `join` would restart n, so do not.
    """

    # With batches of 1024 the rate leaves the cap of 0.02 after 26 billion tokens only (own
    # algebra), so short runs need another `a`: a search goes from what this project's language
    # model wants to beyond the paper's 3 to 5; that of `b` is the paper's.
    def schedule(count: Scalar) -> jax.Array:
        count = _float(count)  # before the product: int32 ends at 2^31 tokens
        # Not below one step, since 0^b is infinite.
        since = jnp.maximum(count, jnp.maximum(_float(warmup_steps), 1.0))
        rate = batch_size * a * jnp.power(since * _float(tokens_per_step), b)
        return jnp.minimum(peak, rate) * _warmup(count, warmup_steps)

    return schedule


def over(
    shape: Shape,
    num_steps: Scalar,
    peak: Scalar,
    warmup: Scalar = 0.0,
    end: Scalar = 0.0,
    warmup_steps: Scalar | None = None,
) -> Schedule:
    """`shape` on a horizon of `num_steps` between `peak` and `end`, after a linear warmup.

    Args:
      shape: the unit shape; its progress starts where the warmup ends.
      num_steps: whole horizon in steps, warmup included; later steps stay at the shape's end.
      peak: learning rate at the end of the warmup.
      warmup: share of `num_steps` in [0, 1) over which the rate rises from 0 to `peak`.
      end: learning rate where the shape is 0.
      warmup_steps: the same in steps, in place of `warmup`: for one that no horizon changes.
    """
    rise = warmup * num_steps if warmup_steps is None else warmup_steps
    half = 0.5 if isinstance(shape, HalfStep) else 0.0

    def schedule(count: Scalar) -> jax.Array:
        count = _float(count)  # before any product: int32 would overflow
        warmup_steps = _float(rise)
        decay_steps = jnp.maximum(_float(num_steps) - warmup_steps, 1.0)
        progress = (count - warmup_steps + half) / decay_steps
        falling = end + (peak - end) * shape(jnp.clip(progress, 0.0, 1.0 - half / decay_steps))
        rising = count / jnp.maximum(warmup_steps, 1.0)
        return jnp.where(count < warmup_steps, peak * rising, falling)

    return schedule


def warmup_cosine(num_steps: Scalar, peak: Scalar, warmup: Scalar = 0.05) -> Schedule:
    """A linear warmup, then a cosine to 0: a submission's default, and AlgoPerf's baselines'."""
    return over(cosine(), num_steps, peak, warmup)


def cool_down(
    schedule: Schedule,
    num_steps: Scalar,
    decay: Share,
    cooldown: Shape | None = None,
    end: Scalar = 0.0,
) -> Schedule:
    """`schedule` up to the last `decay` of `num_steps`, then its rate there times `cooldown`.

    The decay of the Power scheduler (eq. 8). It ends at `end`.
    """
    cooldown = cooldown or exponential_to_zero()  # the paper's

    def cooled(count: Scalar) -> jax.Array:
        decay_steps = _float(decay * num_steps)
        count, start = _float(count), _float(num_steps) - decay_steps
        # `schedule` sees the step of the whole run, unlike in a `join`, and stops at the end.
        rate = schedule(jnp.minimum(count, start))
        return end + (rate - end) * cooldown(jnp.clip((count - start) / decay_steps, 0.0, 1.0))

    return cooled


def join(schedules: Sequence[Schedule], boundaries: Sequence[Scalar]) -> Schedule:
    """One schedule after another; each sees the steps since the boundary where it begins."""
    return optax.join_schedules(schedules, boundaries)


def _warmup(count: jax.Array, warmup_steps: Scalar) -> jax.Array:
    rising = count / jnp.maximum(_float(warmup_steps), 1.0)
    return jnp.where(count < warmup_steps, rising, 1.0)


def _float(number: Scalar) -> jax.Array:
    return jnp.asarray(number, jnp.float32)
