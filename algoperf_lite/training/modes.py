"""Modes of stepping: how many steps a dispatch makes, and how. Loads no JAX.

Four ways with the same numbers up to rounding: "loop" and "scan", many steps per dispatch in a
device loop; "single", one jitted step per dispatch; "unrolled", a few steps written out in one
program. Which is fastest depends on machine and model: a loop saves dispatches, but XLA's CPU
backend runs convolutions inside loops 10 to 35 times slower (jax#12868); unrolling saves some of
them and compiles longer. A measurement decides (`calibration.calibrate`); nothing looks at names.

The length of a "loop" is an argument, so one program makes all numbers of steps. That is for CPUs:
XLA's GPU backend would ask the host before each step whether there is another. The length of a
"scan" is part of its program, and steps that it leaves over are single ones, of another program.
"""

from collections.abc import Collection

MODES = ("loop", "scan", "single", "unrolled")
UNROLLED_STEPS = 4  # more would save little of a dispatch and compile for longer


def modes_on(platform: str) -> tuple[str, str, str]:
    """The modes that are worth a measurement on such devices ("cpu", "gpu" or "tpu"): many steps
    per dispatch, one, and a few."""
    return ("loop" if platform == "cpu" else "scan", "single", "unrolled")


def steps_of(mode: str, looped: int) -> int:
    """Steps that a dispatch in `mode` makes, where one in "loop" or "scan" makes `looped`."""
    return {"single": 1, "unrolled": UNROLLED_STEPS}.get(mode, looped)


def dispatch_length(most: int, periods: Collection[int]) -> int:
    """The length up to `most` with which such stretches of steps take the fewest dispatches; of
    several, the shortest.

    Steps that a scan leaves over are single ones, so the longest is not always the best.
    """
    lengths = range(1, max(1, min(most, max(periods))) + 1)
    return min(lengths, key=lambda length: sum(sum(divmod(steps, length)) for steps in periods))
