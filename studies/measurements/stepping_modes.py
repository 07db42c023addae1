"""The seconds of a step in each mode of stepping.

The reference takes the same steps in turns, all in one process: in a loop whose number of steps is
an argument, in a scan of static length, one by one, and a few unrolled. What is slower than
`SLOWDOWN_CUTOFF` of the fastest is looked at once.

    python -m studies.measurements.stepping_modes
"""

import argparse
import statistics
import time
from collections.abc import Callable

import jax
import numpy as np

import workloads
from algoperf_lite.machine import fingerprint
from algoperf_lite.training import modes
from studies import script
from studies.measurements import reference

Run = Callable[[int], float]  # number of steps -> seconds per step
SLOWDOWN_CUTOFF = 3.0  # times slower than the fastest way
SMOKE = {"workloads": ["digits"], "turns": 1, "seconds": 0.05, "length": 4, "core": 0}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is trained, how often and how long."""
    add = parser.add_argument
    add("--workloads", type=script.listed(), default=workloads.names(), help="default: all")
    add("--turns", type=int, default=7, help="of each way")
    add("--seconds", type=float, default=0.4, help="length of a turn")
    add("--length", type=int, default=8, help="steps of a scan, and of a loop")
    add("--modes", type=script.listed(), default=modes.MODES, help="default: all")
    add("--processor_time", action="store_true", help="for a CPU that does other work meanwhile")
    reference.add_core_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    reference.pin(arguments.core)
    print(f"{fingerprint.fingerprint()['device_kind']}, jax {jax.__version__}: ms per step")
    ways = arguments.modes
    print(f"| workload | {' | '.join(ways)} | scan / loop, median (range) |")
    print("|---" * (len(ways) + 2) + "|")
    for name in arguments.workloads:
        print(_row(name, arguments), flush=True)


def _row(name: str, arguments: argparse.Namespace) -> str:
    now = time.process_time if arguments.processor_time else time.perf_counter
    ways = {way: _way(name, way, arguments.length, now) for way in arguments.modes}
    looks = {way: take(arguments.length) for way, take in ways.items()}
    limit = SLOWDOWN_CUTOFF * min(looks.values())
    times: dict[str, list[float]] = {way: [] for way in ways if looks[way] <= limit}
    for _ in range(arguments.turns):
        for way in times:
            dispatches = max(1, round(arguments.seconds / looks[way] / arguments.length))
            times[way].append(ways[way](dispatches * arguments.length))
    cells = [f"{1e3 * statistics.median(times.get(way, [looks[way]])):.3f}" for way in ways]
    ratios = [
        scan / loop
        for scan, loop in zip(times.get("scan", []), times.get("loop", []), strict=False)
    ] or [looks.get("scan", np.nan) / looks.get("loop", np.nan)]
    range_ = f"{min(ratios):.3f}-{max(ratios):.3f}"
    return f"| {name} | {' | '.join(cells)} | {statistics.median(ratios):.3f} ({range_}) |"


def _way(name: str, mode: str, length: int, now: Callable[[], float]) -> Run:
    """Steps of the reference in a mode, compiled; they go on where the last ones ended."""
    _, stepper, state = reference.stepper(workloads.load(name), mode, length)
    step = 0

    def take(num_steps: int) -> float:
        nonlocal state, step
        began = now()
        state = jax.block_until_ready(stepper.advance(state, step, num_steps))
        step += num_steps
        return (now() - began) / num_steps

    return take


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
