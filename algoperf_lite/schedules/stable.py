"""Schedules with a stable phase: up to where the cooldown starts, no horizon changes them.

Runs on several horizons then do the same until the shortest of them cools down. Loads no JAX.
"""

from algoperf_lite.schedules.signatures import signatures
from algoperf_lite.schedules.text import NamedSchedule


def has_common_part(named: NamedSchedule) -> bool:
    """Whether runs on several horizons have the same learning rate until the first cools down."""
    return cools_down(named) and _rise(named) is not None


def cools_down(named: NamedSchedule) -> bool:
    """Whether it ends with a cooldown over a share of the horizon, and is flat or a function of the
    step before, but for its warmup."""
    given, signature = dict(named.parameters), signatures()[named.name]
    # What has restarts cools down in between as well, at shares of the horizon.
    if given.get("restarts") or signature.returns not in ("Shape", "Schedule"):
        return False
    # `infinite` has no `decay`, and others only where one is given.
    return bool(given.get("decay", signature.default("decay")))


def check(named: NamedSchedule, budget: float) -> None:
    """Raises ValueError where a `fixed_warmup` leaves a part of the whole budget no room."""
    given, signature = dict(named.parameters), signatures()[named.name]
    rise, decay = given.get("fixed_warmup"), given.get("decay", signature.default("decay"))
    decay = decay if isinstance(decay, float) else 0.0
    if rise is not None and rise > (1.0 - decay) * budget:
        raise ValueError(
            f"fixed_warmup of {named} is a share of the whole step hint, and of budget {budget:g} "
            "it leaves nothing before the cooldown; lower it, or leave that budget out"
        )


def common_steps(named: NamedSchedule, num_steps: float, whole: float) -> float:
    """Steps until the cooldown of a schedule that `has_common_part`; of a searched `decay`, about.

    Args:
      num_steps: the horizon.
      whole: the steps that `fixed_warmup` is a share of.
    """
    given, signature = dict(named.parameters), signatures()[named.name]
    usual = signature.default("decay") or 0.2
    decay = given.get("decay", usual)
    decay = decay if isinstance(decay, float) else usual
    # The decay of a shape is a share of what the warmup leaves; `cool_down`'s is one of all steps.
    rise = (_rise(named) or 0.0) * whole if signature.returns == "Shape" else 0.0
    return max(0.0, num_steps - decay * max(0.0, num_steps - rise))


def _rise(named: NamedSchedule) -> float | None:
    """The warmup as a share of the whole step hint; None where each horizon has its own."""
    given, signature = dict(named.parameters), signatures()[named.name]
    if "fixed_warmup" in given:
        return given["fixed_warmup"]
    return 0.0 if given.get("warmup", signature.default("warmup")) == 0.0 else None
