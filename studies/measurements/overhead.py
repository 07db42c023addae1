"""The price of the harness: its on-clock seconds per step over those of a bare loop.

First table, in one process on one core: the harness's stepper under its ledger, a bare loop of
jitted steps, and a bare `jax.lax.scan` run the same steps (same model, batch size, reference
submission) in turns. The ratio is to the faster of the two bare ones.

Second table, with whole trials as `run` starts them: seconds from process start to the first timed
step, and on-clock seconds per step against the faster bare loop, which takes turns with them.

    python -m studies.measurements.overhead
"""

import argparse
import platform
import statistics
import time
from typing import Any

import jax

import workloads
from algoperf_lite.machine import fingerprint
from algoperf_lite.spec import Workload
from algoperf_lite.training import calibration as training_calibration
from algoperf_lite.training import modes
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.training.clock import Ledger
from studies import script
from studies.measurements import bare_loops, reference
from studies.measurements.bare_loops import Way

NUM_EVALS = 40  # per step hint, as in a trial
FIRST_LOOK = 4  # steps
SLOWDOWN_CUTOFF = 3.0  # times slower than a jitted step, so not measured further
SMOKE = {"workloads": ["digits"], "turns": 1, "seconds": 0.05, "trials": 1}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is trained, how often and how long."""
    add = parser.add_argument
    add("--workloads", type=script.listed(), default=workloads.names(), help="default: all")
    add("--turns", type=int, default=9, help="of each way in the first table")
    add("--trials", type=int, default=3, help="timed ones in the second table")
    add("--seconds", type=float, default=1.0, help="length of a turn; a trial has four of them")
    reference.add_core_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints both tables."""
    reference.pin(arguments.core)
    print(
        f"{fingerprint.fingerprint()['device_kind']}, jax {jax.__version__}, "
        f"Python {platform.python_version()}, one turn is {arguments.seconds:g} s"
    )
    print(
        "| workload | stepping | harness ms | bare jit ms | bare scan ms | ratio, median (range) |"
    )
    print("|---|---|---|---|---|---|")
    for name in arguments.workloads:
        print(_steps_row(name, arguments.turns, arguments.seconds), flush=True)
    print(
        "\n| workload | to the first step, nothing cached s | programs cached s "
        "| trial ms per step | bare ms | ratio, median (range) |"
    )
    print("|---|---|---|---|---|---|")
    for name in arguments.workloads:
        print(_trials_row(name, arguments.trials, arguments.seconds), flush=True)


# --- steps in one process -----------------------------------------------------------------


def _steps_row(name: str, turns: int, seconds: float) -> str:
    workload = workloads.load(name)
    calibration = training_calibration.calibrate(name, "lite")
    ways = {"harness": _harness(workload, calibration), **_bare_ways(workload, calibration)}
    looks = {way: _look(run) for way, run in ways.items()}
    ways = _worth_measuring(ways, looks)
    found: dict[str, list[float]] = {way: [] for way in ways}
    # As many steps as the harness takes between two evaluations.
    period = max(1, workload.step_hint // NUM_EVALS)
    for turn in range(turns + 1):
        for way, run in ways.items():
            sample = _turn(run, period, seconds)
            if turn:  # the first turn only warms up
                found[way].append(sample)
    # The faster one of each turn: what XLA does badly in one way is not the harness's merit.
    bare = [min(times) for times in zip(*(found[w] for w in ways if w != "harness"), strict=True)]
    ms = {way: f"{1e3 * statistics.median(found.get(way) or [looks[way]]):.3f}" for way in looks}
    return (
        f"| {name} | {calibration.mode} | {ms['harness']} | {ms['jit']} | {ms['scan']} "
        f"| {reference.ratios(found['harness'], bare)} |"
    )


def _harness(workload: Workload, calibration: Calibration) -> Way:
    # No dispatch is longer than the steps between two evaluations, as in a trial.
    period = max(1, round(workload.step_hint / NUM_EVALS))
    length = modes.dispatch_length(calibration.steps_per_dispatch, [period])
    _, stepper, state = reference.stepper(workload, calibration.mode, length)
    step = 0

    def run(_: int, num_steps: int) -> float:
        nonlocal state, step
        # The state's own step: its rows are found by it.
        first_step, step = step, step + num_steps
        ledger = Ledger(account="log")
        ledger.switch("update_params", state)
        state = stepper.advance(state, first_step, num_steps)
        ledger.switch("prepare_for_eval", state)
        ledger.switch("eval", stepper.prepare_for_eval(state, step))
        return ledger.submission_seconds() / num_steps

    return run


def _bare_ways(workload: Workload, calibration: Calibration) -> dict[str, Way]:
    # In other modes a scan is there to show what it costs, so it may be short.
    length = calibration.steps_per_dispatch if calibration.mode == "scan" else FIRST_LOOK
    return {
        "jit": bare_loops.jit_loop(workload),
        "scan": bare_loops.scan_loop(workload, length),
    }


def _look(run: Way) -> float:
    """Seconds per step of the second call; the first one compiles."""
    # Compilation fills the first call of a way, and a shape that is new the next.
    return [run(0, FIRST_LOOK), run(0, FIRST_LOOK)][1]


def _worth_measuring(ways: dict[str, Way], looks: dict[str, float]) -> dict[str, Way]:
    """All ways but a scan of convolutions, which a CPU runs too slowly for more than the look."""
    if looks["scan"] <= SLOWDOWN_CUTOFF * looks["jit"]:
        return ways
    return {way: run for way, run in ways.items() if way != "scan"}


def _turn(run: Way, period: int, seconds: float) -> float:
    """Median seconds per step of calls of `period` steps that fill a turn."""
    began, samples = time.perf_counter(), []
    while not samples or time.perf_counter() - began < seconds:
        samples.append(run(len(samples) * period, period))
    return statistics.median(samples)


# --- whole trials -------------------------------------------------------------------------


def _trials_row(name: str, trials: int, seconds: float) -> str:
    workload = workloads.load(name)
    calibration = training_calibration.calibrate(name, "lite")
    period = max(1, workload.step_hint // NUM_EVALS)
    steps = max(period, round(4 * seconds / calibration.seconds_per_step))
    ways = _bare_ways(workload, calibration)
    looks = {way: _look(run) for way, run in ways.items()}
    ways = _worth_measuring(ways, looks)
    ours, theirs = [], []
    with reference.no_programs() as folder:
        # The trial has this process's one core while this one waits for it, so they take turns.
        starts = [_start_seconds(reference.trial(name, 1, folder / "cold", calibration))]
        for turn in range(trials):
            record = reference.trial(name, steps, folder / f"warm_{turn}", calibration)
            starts.append(_start_seconds(record))
            ours.append(reference.seconds_per_step(record))
            theirs.append(min(_turn(run, period, seconds) for run in ways.values()))
    return (
        f"| {name} | {starts[0]:.1f} | {statistics.median(starts[1:]):.1f} "
        f"| {1e3 * statistics.median(ours):.3f} | {1e3 * statistics.median(theirs):.3f} "
        f"| {reference.ratios(ours, theirs)} |"
    )


def _start_seconds(record: dict[str, Any]) -> float:
    return sum(record["ledger"][account] for account in ("setup", "init", "compile"))


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
