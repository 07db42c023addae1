"""Unit shapes: functions of the progress in [0, 1] whose values are multipliers in [0, 1].

`algoperf_lite.schedules.signatures` reads the signatures: what has a default can be given in text
(`wsd:decay=0.1`), within the range that its annotation names. Where that is `Annotated`, the range
behind it is where a search draws the parameter (`wsd:decay=search`).
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Annotated

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.schedules.ranges import among, between, log_between
from algoperf_lite.spec import Array

Scalar = Array | float
Positive = Scalar  # > 0
Share = Scalar  # in (0, 1]
Shares = Sequence[Scalar]  # ascending, inside (0, 1)
Shape = Callable[[Scalar], Scalar]
FlatShape = Shape  # 1 throughout: neither a horizon nor an end changes it
RisingShape = Shape  # starts low and rises by itself: wants no warmup


# A class and not a flag of `over`: the shape knows it, and whoever calls `over` does not.
@dataclasses.dataclass(frozen=True)
class HalfStep:
    """A unit shape that `over` samples in the middle of each step instead of at its start."""

    shape: Shape

    def __call__(self, progress: Scalar) -> Scalar:
        return self.shape(progress)


# Shapes that optax has are optax's on a horizon of 1, whose step count then is the progress.


def constant() -> FlatShape:
    """1 throughout."""
    return lambda progress: jnp.ones_like(progress)


def linear() -> Shape:
    """1 - p: budgeted linear decay (Li et al. 2020), to zero ("D2Z", Bergsma et al. 2025)."""
    return optax.linear_schedule(1.0, 0.0, 1)


def cosine() -> Shape:
    """(1 + cos(pi p)) / 2 (Loshchilov & Hutter 2017, eq. 5)."""
    return optax.cosine_decay_schedule(1.0, 1)


def polynomial(power: Annotated[Positive, log_between(0.5, 4.0)] = 2.0) -> Shape:
    """(1 - p)^power.

    The power decay of functional scaling laws (arXiv 2602.06797), for tasks whose source exponent s
    is at least 1 - 1/beta, has power = 2 beta - 1, where beta > 1 is the capacity exponent.
    """
    return optax.polynomial_schedule(1.0, 0.0, power, 1)


def exponential(ratio: Annotated[Share, log_between(1e-3, 0.3)] = 0.01) -> Shape:
    """ratio^p: ends at `ratio`, not at 0."""
    return lambda progress: jnp.power(ratio, progress)


def exponential_to_zero() -> Shape:
    """2 (1/2)^p - 1: the exponential cooldown of Megatron-LM."""
    return lambda progress: jnp.exp2(1.0 - progress) - 1.0


def step(
    gamma: Annotated[Share, log_between(0.05, 0.5)] = 0.1,
    stages: Annotated[Positive, among(2.0, 3.0, 4.0, 5.0)] = 3.0,
) -> Shape:
    """gamma^floor(stages p): as many stages of equal length, a factor gamma between them."""
    # At p = 1 the last stage goes on: steps behind the horizon stay where they are.
    return lambda progress: jnp.power(
        gamma, jnp.minimum(jnp.floor(progress * stages), jnp.ceil(stages) - 1.0)
    )


def multistep(
    gamma: Annotated[Share, log_between(0.05, 0.5)] = 0.1, milestones: Shares = (0.5, 0.75)
) -> Shape:
    """gamma^k, where k is how many milestones the progress has reached."""
    return lambda progress: jnp.power(gamma, sum(1.0 * (progress >= at) for at in milestones))


def rex() -> Shape:
    """(1 - p) / (1 - p / 2) (Chen et al. 2021, arXiv 2107.04197)."""
    return lambda progress: (1.0 - progress) / (1.0 - 0.5 * progress)


def one_cycle(
    rise: Annotated[Share, between(0.1, 0.5)] = 0.3,
    start: Annotated[Share, log_between(0.01, 0.3)] = 0.04,
    final: Annotated[Share, log_between(1e-6, 1e-2)] = 4e-6,
) -> RisingShape:
    """Cosine up from `start` to 1 at p = rise, then cosine down to `final` (Smith & Topin 2018).

    optax.cosine_onecycle_schedule with div_factor = 1 / start, final_div_factor = start / final.
    """
    fall = cosine()

    def shape(progress: Scalar) -> jax.Array:
        falling = jnp.maximum(progress - rise, 0.0) / jnp.maximum(1.0 - rise, 1e-6)
        up = 1.0 + (start - 1.0) * fall(jnp.minimum(progress / rise, 1.0))
        return jnp.where(progress < rise, up, final + (1.0 - final) * fall(falling))

    return shape


def cyclic(
    cycles: Annotated[Positive, among(1.0, 2.0, 4.0, 8.0)] = 4.0,
    shrink: Annotated[Share, between(0.25, 1.0)] = 1.0,
) -> RisingShape:
    """shrink^k (1 - |2 x - 1|), with x the progress within cycle k = 0, 1, ... (Smith 2017).

    Smith's "triangular" policy; shrink = 1/2 is his "triangular2". The base rate is `over`'s end.
    """

    def shape(progress: Scalar) -> jax.Array:
        cycle = jnp.floor(progress * cycles)
        triangle = 1.0 - jnp.abs(2.0 * (progress * cycles - cycle) - 1.0)
        return jnp.power(shrink, cycle) * triangle

    return shape


def restarted(shape: Shape, restarts: Shares) -> Shape:
    """`shape` from its beginning again wherever the progress reaches one of `restarts`."""

    def again(progress: Scalar) -> Scalar:
        place = progress
        for start, stop in itertools.pairwise((0.0, *restarts, 1.0)):
            within = jnp.minimum((progress - start) / (stop - start), 1.0)
            place = jnp.where(progress >= start, within, place)
        return shape(place)

    return again


def sgdr(restarts: Shares = (0.25, 0.5, 0.75)) -> Shape:
    """Cosine with warm restarts (Loshchilov & Hutter 2017)."""
    return restarted(cosine(), restarts)


def uba(phi: Annotated[Positive, log_between(0.25, 10.0)] = 2.0, restarts: Shares = ()) -> HalfStep:
    """2 (1 + cos th) / (2 phi + (2 - phi)(1 + cos th)), th = pi p: Unified Budget-Aware.

    Tang et al. 2025 (arXiv 2505.24452). For 0-based step i of the N steps of a phase,
    th = (2 i + 1) pi / (2 N): the middle of the step. Each of `restarts` begins a new phase.
    A larger phi decays sooner; phi = 2, the default, is the cosine: choose phi. The mean over the
    progress is 1 / (1 + sqrt(phi / 2)). No value of phi is recommended here.
    """

    # Verified: with phi = 2 M / m these are, put on [1/M, 1/m], the Chebyshev step sizes of a
    # quadratic with spectrum [m, M] in descending order (own algebra, tested); a third-party
    # implementation has the same fraction. Not verified: the paper's text could not be read. Half
    # steps and phases are the form that makes the algebra exact.
    def shape(progress: Scalar) -> jax.Array:
        # (1 + cos th) / 2 = cos^2(th / 2); written so, nothing cancels in float32 near th = pi.
        cos2 = jnp.cos(0.5 * jnp.pi * progress) ** 2
        sin2 = jnp.sin(0.5 * jnp.pi * progress) ** 2
        return 2.0 * cos2 / (2.0 * cos2 + phi * sin2)

    return HalfStep(restarted(shape, restarts))


def one_minus_sqrt() -> Shape:
    """1 - sqrt(p): the cooldown of Haegele et al. 2024."""
    return lambda progress: 1.0 - jnp.sqrt(progress)


def inverse_linear(ratio: Annotated[Share, log_between(0.01, 0.5)] = 0.1) -> Shape:
    """1 / (p / ratio + 1 - p): 1 / rate falls linearly, down to `ratio`, not to 0.

    A cooldown for WSD-S.
    """
    # levanter has it; that Wen et al. 2024 use it is not verified.
    return lambda progress: 1.0 / (progress / ratio + 1.0 - progress)


def wsd(
    decay: Annotated[Share, log_between(0.05, 0.5)] = 0.2,
    cooldown: Shape | None = None,
    restarts: Shares = (),
) -> Shape:
    """Stable at 1, then `cooldown` over the last `decay` of the progress; 1-sqrt by default.

    Warmup-stable-decay (Hu et al. 2024, MiniCPM); the warmup comes from `over`. With `restarts` it
    is WSD-S (Wen et al. 2024, arXiv 2410.05192): after each cooldown, at the end of each cycle, the
    same run goes on at the full rate.
    """
    # The default share is where Haegele et al. 2024 see the gain of longer cooldowns level off.
    cooldown = cooldown or one_minus_sqrt()
    return restarted(
        lambda progress: cooldown(jnp.clip((progress - (1.0 - decay)) / decay, 0.0, 1.0)),
        restarts,
    )


def infinite(
    cooldown: Annotated[Share, between(0.05, 0.3)] = 0.1,
    anneal: Annotated[Share, between(0.1, 0.4)] = 0.2,
    level: Annotated[Share, log_between(0.05, 0.5)] = 0.1,
    final: Annotated[Share, log_between(1e-3, 0.05)] = 0.01,
) -> Shape:
    """Cosine down to `level`, constant, and level (final / level)^x over the last `anneal`.

    Ibrahim et al. 2024 (arXiv 2403.08763), Singh et al. 2025 (arXiv 2503.02844). Further data would
    go on from the constant phase. `cooldown` and `anneal` are shares of the progress.
    """
    fall = cosine()

    def shape(progress: Scalar) -> jax.Array:
        cooled = level + (1.0 - level) * fall(jnp.minimum(progress / cooldown, 1.0))
        annealed = jnp.clip((progress - (1.0 - anneal)) / anneal, 0.0, 1.0)
        return cooled * jnp.power(final / level, annealed)

    return shape
