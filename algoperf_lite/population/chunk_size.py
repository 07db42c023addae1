"""How large the chunks of a population should be on this machine: measured, within its memory."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax

from algoperf_lite.machine import memory
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.population.stepper import Population, PopulationStepper

_WARMUP_STEPS = 2  # steps
_SLOWDOWN_CUTOFF = 3.0  # times slower than the best, so not measured further
_TURNS = 5
_TURN_SECONDS = 0.2
_MIN_GAIN = 4.0  # times the seconds of compiling another program that it might save
_MEMORY_SHARE = 0.8  # of what is free, as memory is also wanted for evaluation


@dataclasses.dataclass(frozen=True)
class Choice:
    """The stepper to train with, compiled, and why.

    Attributes:
      seconds_per_member_step: by chunk size, of the candidates; padding counted as a cost.
      reason: for the log, in words.
    """

    stepper: PopulationStepper
    seconds_per_member_step: dict[int, float]
    reason: str

    def to_json(self) -> dict[str, Any]:
        """For a trial's record, where it stands under "stepping"."""
        return {
            "chunk_size": self.stepper.layout.chunk_size,
            "num_devices": self.stepper.layout.num_devices,
            "seconds_per_member_step": self.seconds_per_member_step,
            "reason": self.reason,
        }


@dataclasses.dataclass(frozen=True)
class Candidates:
    """What a population could be run as.

    Attributes:
      alone: one member after another on one device; compiled.
      stepper: from another layout to its stepper, not yet compiled.
      population: from a stepper to a fresh population for it.
      devices: all that may be used.
    """

    alone: PopulationStepper
    stepper: Callable[[MemberSharding], PopulationStepper]
    population: Callable[[PopulationStepper], Population]
    devices: tuple[jax.Device, ...]


def choose(
    candidates: Candidates,
    seconds_alone: float | None,
    num_steps: int,
    compile_seconds: float,
    memory_share: float = 1.0,
) -> Choice:
    """The faster of the smallest chunks (one member per device) and the largest that fit.

    Args:
      seconds_alone: per step of one member's own program, measured; None to measure nothing and
        take the smallest.
      num_steps: of each member.
      compile_seconds: about what another program costs.
      memory_share: the part of the host's memory that this process may have.
    """
    num_members = candidates.alone.layout.num_members
    devices = candidates.devices if len(candidates.devices) > 1 else ()
    smallest = candidates.alone
    if devices and num_members > 1:
        smallest = candidates.stepper(MemberSharding.even(num_members, 1, devices))
        smallest.compile(candidates.population(smallest))
    if seconds_alone is None:
        return Choice(smallest, {}, "the smallest chunk was asked for")
    seconds = {1: seconds_alone}
    if smallest is not candidates.alone:
        seconds = {len(devices): member_seconds(smallest, candidates.population(smallest))}
    layout = smallest.layout
    if num_members <= layout.num_devices:
        return Choice(smallest, seconds, "there is no larger chunk")
    at_stake = num_members * num_steps * min(seconds.values())
    if at_stake < _MIN_GAIN * compile_seconds:
        reason = f"{at_stake:.1f} s of steps do not pay for compiling another program"
        return Choice(smallest, seconds, reason)
    largest = _largest_that_fits(candidates, devices, memory_share)
    if largest.layout.chunk_size == layout.chunk_size:
        return Choice(smallest, seconds, "no larger chunk fits into memory")
    population = candidates.population(largest)
    largest.warm_up(population)
    limit = _SLOWDOWN_CUTOFF * min(seconds.values())
    seconds[largest.layout.chunk_size] = member_seconds(largest, population, limit)
    fastest = min((smallest, largest), key=lambda way: seconds[way.layout.chunk_size])
    return Choice(fastest, seconds, "measured")


def member_seconds(
    stepper: PopulationStepper, population: Population, hopeless: float = float("inf")
) -> float:
    """Median seconds per step and member over several turns, from one chunk of `population`.

    What a first look finds slower than `hopeless` is looked at no further.
    """
    layout = stepper.layout
    # All chunks cost the same, padded ones too.
    chunk_share = len(layout.chunks) / layout.num_members
    active = [member in layout.chunks[0] for member in range(layout.num_members)]
    step = 0

    def turn(num_steps: int) -> float:
        nonlocal population, step
        jax.block_until_ready(population)
        began = time.perf_counter()
        population = stepper.advance(population, step, num_steps, active=active)
        jax.block_until_ready(population)
        step += num_steps
        return (time.perf_counter() - began) / num_steps * chunk_share

    # Whole dispatches: single steps, which are left over in each turn, may cost something else.
    dispatch = max(_WARMUP_STEPS, stepper.steps_per_dispatch)
    look = turn(dispatch)
    if look > hopeless:
        return look
    dispatches = max(1, round(_TURN_SECONDS / (look / chunk_share) / dispatch))
    return statistics.median(turn(dispatches * dispatch) for _ in range(_TURNS))


def free_bytes(device: jax.Device, memory_share: float = 1.0) -> float:
    """Memory that a program could have on `device` now; where that is not known, this process's
    share of the host's."""
    stats: dict[str, Any] = device.memory_stats() or {}
    if "bytes_limit" in stats:  # processes side by side have devices of their own
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return memory.available_memory() * memory_share


def _largest_that_fits(
    candidates: Candidates, devices: Sequence[jax.Device], memory_share: float
) -> PopulationStepper:
    """The stepper of the largest chunks whose program, compiled, leaves memory to spare."""
    num_members = most = candidates.alone.layout.num_members
    free = free_bytes((devices or jax.local_devices())[0], memory_share) * _MEMORY_SHARE
    member = candidates.alone.member(candidates.population(candidates.alone), 0)
    while True:
        stepper = candidates.stepper(MemberSharding.even(num_members, most, devices))
        needed, size = stepper.compile_for(member), stepper.layout.chunk_size
        if needed <= free or size <= stepper.layout.num_devices:
            return stepper
        # What a program needs is about in proportion to its members.
        most = min(size - 1, int(size * free / needed))
