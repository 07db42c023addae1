"""Learning-rate schedules: a unit shape (progress -> multiplier, both in [0, 1]) put on a horizon.

Every parameter may be a traced array, so that one compiled step serves all hyperparameter points
(optax's own warmup-cosine branches on `peak_value == 0` and cannot). The results are ordinary
optax schedules: functions of the 0-based step count.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from algoperf_lite.spec import Array

Scalar = Array | float
Shape = Callable[[Scalar], Scalar]
Schedule = Callable[[Scalar], jax.Array]


def constant() -> Shape:
    """1 throughout."""
    return lambda progress: jnp.ones_like(progress)


def linear() -> Shape:
    """1 - p: budgeted linear decay (Li et al. 2020), to zero ("D2Z", Bergsma et al. 2025)."""
    return lambda progress: 1.0 - progress


def cosine() -> Shape:
    """(1 + cos(pi p)) / 2 (Loshchilov & Hutter 2017, eq. 5)."""
    return lambda progress: 0.5 * (1.0 + jnp.cos(jnp.pi * progress))


def one_minus_sqrt() -> Shape:
    """1 - sqrt(p): the cooldown of Haegele et al. 2024."""
    return lambda progress: 1.0 - jnp.sqrt(progress)


def wsd(decay: Scalar = 0.2, cooldown: Shape | None = None) -> Shape:
    """Stable at 1, then `cooldown` over the last `decay` of the progress; 1-sqrt by default.

    Warmup-stable-decay (Hu et al. 2024, MiniCPM); the warmup comes from `over`. The default share
    of 0.2 is where Haegele et al. 2024 see the gain of longer cooldowns level off.
    """
    cooldown = cooldown or one_minus_sqrt()
    return lambda progress: cooldown(jnp.clip((progress - (1.0 - decay)) / decay, 0.0, 1.0))


def over(
    shape: Shape, num_steps: Scalar, peak: Scalar, warmup: Scalar = 0.0, end: Scalar = 0.0
) -> Schedule:
    """`shape` on a horizon of `num_steps` between `peak` and `end`, after a linear warmup.

    Args:
      shape: the unit shape; its progress starts where the warmup ends.
      num_steps: whole horizon in steps, warmup included; later steps stay at the shape's end.
      peak: learning rate at the end of the warmup.
      warmup: share of `num_steps` in [0, 1) over which the rate rises from 0 to `peak`.
      end: learning rate where the shape is 0.
    """

    def schedule(step: Scalar) -> jax.Array:
        step = jnp.asarray(step, jnp.float32)  # before any product: int32 would overflow
        warmup_steps = jnp.asarray(warmup * num_steps, jnp.float32)
        rising = step / jnp.maximum(warmup_steps, 1.0)
        progress = (step - warmup_steps) / jnp.maximum(num_steps - warmup_steps, 1.0)
        falling = end + (peak - end) * shape(jnp.clip(progress, 0.0, 1.0))
        return jnp.where(step < warmup_steps, peak * rising, falling)

    return schedule


def warmup_cosine(num_steps: Scalar, peak: Scalar) -> Schedule:
    """What a submission takes unless its algorithm wants another: 5% linear warmup, then cosine
    to a tenth of the peak."""
    return over(cosine(), num_steps, peak, warmup=0.05, end=0.1 * peak)
