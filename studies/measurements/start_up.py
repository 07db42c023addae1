"""The start of a trial: seconds from its process to its first update, and what they go to.

Trials of the reference, one at a time on one core, stepping as calibrated, in turns: those of
another checkout (--before), or else processes of their own, and those that are forked from a
template, as `run` does it. "Cold"
is the first trial of a command with no compiled program kept, the template's own start included;
"warm" are the next ones. Generated data are kept in either case.

Then, for a warm trial that is forked: where the seconds go. And what a step costs in each, as a
fork must not train faster or slower.

    python -m studies.measurements.start_up
"""

import argparse
import contextlib
import dataclasses
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

import workloads
from algoperf_lite.executors import local
from algoperf_lite.executors.job import Job
from algoperf_lite.executors.local import Local
from algoperf_lite.experiment import jobs
from algoperf_lite.storage import cache
from algoperf_lite.training import calibration
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial import run as trial_run
from algoperf_lite.trial.spec import TrialSpec
from studies import script
from studies.measurements import reference

preload = trial_run.preload  # this module is a job of its own, see `work`
PARTS = ("process", "data", "tracing", "lowering", "loading", "other")
BEFORE_UPDATES = ("setup", "init", "compile")  # accounts of the ledger
# What JAX tells of, by the ends of its names; a program is "compiled" by loading it from the cache.
_EVENTS = {
    "jaxpr_trace_duration": "tracing",
    "jaxpr_to_mlir_module_duration": "lowering",
    "backend_compile_duration": "loading",
}
SMOKE = {"workloads": ["digits"], "turns": 1, "steps": 2, "before": None}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is started, how often, and against what."""
    add = parser.add_argument
    add("--workloads", type=script.listed(), default=workloads.names(), help="default: all")
    add("--turns", type=int, default=5, help="warm trials of each kind")
    add("--steps", type=int, default=200, help="of a warm trial")
    add("--before", type=Path, help="another checkout; default: this one, without templates")
    reference.add_core_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints three tables, each row as soon as it is measured."""
    reference.pin(arguments.core)
    print("| workload | cold before s | cold s | warm before s | warm s | before / now |")
    print("|---|---|---|---|---|---|")
    others = []
    for name in arguments.workloads:
        measured = calibration.calibrate(name, "lite")
        row, steps = _starts(name, measured, arguments)
        print(row, flush=True)
        parts = _parts(name, measured, arguments.turns)
        values = " | ".join(f"{parts[part]:.2f}" for part in PARTS)
        others.append((f"| {name} | {values} | {sum(parts.values()):.2f} |", steps))
    print(f"\n| workload | {' | '.join(PARTS)} | all |")
    print("|---|" + "---|" * (len(PARTS) + 1))
    print("\n".join(row for row, _ in others))
    print("\n| workload | ms per step before | now | now / before, median (range) |")
    print("|---|---|---|---|")
    print("\n".join(row for _, row in others))


def _starts(name: str, measured: Calibration, arguments: argparse.Namespace) -> tuple[str, str]:
    """Rows of the first and the last table."""
    ways = {True: Local(local.slots(1, 1)), False: local.local(1, 1)}
    cold = {}
    for is_before, executor in ways.items():
        with reference.no_programs() as folder, _in(arguments.before, is_before):
            spec = reference.spec(name, 1, folder / "cold", measured)
            [(_, record)] = jobs.run([spec], executor)
            cold[is_before] = _seconds(record)
    found: dict[bool, list[Mapping[str, Any]]] = {True: [], False: []}
    with reference.no_programs() as folder:
        trials = {
            is_before: _trials(name, measured, arguments, folder, executor)
            for (is_before, executor) in ways.items()
        }
        for turn in range(arguments.turns + 1):
            for is_before in ways:
                with _in(arguments.before, is_before):
                    record = next(trials[is_before])
                if turn:  # the first trial compiles, and has its template start
                    found[is_before].append(record)
        for each in trials.values():
            each.close()
    before, now = ([*map(_seconds, found[is_before])] for is_before in ways)
    row = f"| {name} | {cold[True]:.1f} | {cold[False]:.1f} | {_range(before)} | {_range(now)} "
    row += f"| {statistics.median(before) / statistics.median(now):.1f} |"
    steps = [[*map(reference.seconds_per_step, found[is_before])] for is_before in ways]
    ms = " | ".join(f"{1e3 * statistics.median(each):.3f}" for each in steps)
    return row, f"| {name} | {ms} | {reference.ratios(steps[1], steps[0])} |"


def _trials(
    name: str,
    measured: Calibration,
    arguments: argparse.Namespace,
    folder: Path,
    executor: Local,
) -> Iterator[Mapping[str, Any]]:
    """Records of trials, each run when it is asked for."""
    kind = "now" if executor.templates else "before"
    specs = [
        reference.spec(name, arguments.steps, folder / f"{kind}_{turn}", measured)
        for turn in range(arguments.turns + 1)
    ]
    for _, record in jobs.run(specs, executor):
        yield record


@contextlib.contextmanager
def _in(checkout: Path | None, is_before: bool) -> Iterator[None]:
    """The time in which processes are started from another checkout, where that is wanted."""
    here = Path.cwd(), os.environ.get("PYTHONPATH")
    if checkout is not None and is_before:
        os.chdir(checkout)
        os.environ["PYTHONPATH"] = str(checkout)
    try:
        yield
    finally:
        os.chdir(here[0])
        os.environ.pop("PYTHONPATH", None)
        if here[1] is not None:
            os.environ["PYTHONPATH"] = here[1]


def _seconds(record: Mapping[str, Any]) -> float:
    if record["status"] != "not_reached":
        raise RuntimeError(f"a trial of {record['workload']} {record['status']}: {record['error']}")
    return sum(record["ledger"][account] for account in BEFORE_UPDATES)


def _range(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"


# --- where the seconds go ---------------------------------------------------------------------


def _parts(name: str, measured: Calibration, turns: int) -> dict[str, float]:
    """Medians of the parts over some warm trials."""
    found: dict[str, list[float]] = {part: [] for part in PARTS}
    with reference.no_programs() as folder:
        work = [
            Job(
                name=name,
                module=__spec__.name,  # as a script it has no other name
                payload={
                    "workload": name,
                    "calibration": dataclasses.asdict(measured),
                    "directory": str(folder / str(turn)),
                    "turn": turn,
                },
                cache=cache.subfolder("compiled"),
                preload=(name,),
            )
            for turn in range(turns + 1)
        ]
        for job, outcome in local.local(1, 1).run(work):
            if outcome.result is None:
                raise RuntimeError(f"{job.name} {outcome.status}: {outcome.error}")
            for part, values in found.items():
                if job.payload["turn"]:  # the first one compiles
                    values.append(outcome.result[part])
    return {part: statistics.median(values) for part, values in found.items()}


def work(payload: Mapping[str, Any], report: Callable[..., None]) -> dict[str, float]:
    """A trial, and what its start went to: the job of `_parts`."""
    began = time.monotonic()
    told: dict[str, list[tuple[float, float]]] = {part: [] for part in _EVENTS.values()}
    jax.monitoring.register_event_duration_secs_listener(functools.partial(_note, told))
    measured = Calibration(**payload["calibration"])
    spec: TrialSpec = reference.spec(payload["workload"], 1, Path(payload["directory"]), measured)
    workload = workloads.load(spec.workload)
    for split in ("train", *workload.evaluated_splits):
        workload.source(split)
    read = time.monotonic()
    record = trial_run.run(spec, report, started=payload["started"])
    parts = {
        "process": began - payload["started"],
        "data": read - began,
        **{part: _length(spans) for part, spans in told.items()},
    }
    total = sum(record.ledger[account] for account in BEFORE_UPDATES)
    return {**parts, "other": total - sum(parts.values())}


def _note(
    told: Mapping[str, list[tuple[float, float]]], event: str, seconds: float, **_: Any
) -> None:
    part = _EVENTS.get(event.rpartition("/")[2])
    if part is not None:
        now = time.monotonic()
        told[part].append((now - seconds, now))


def _length(spans: list[tuple[float, float]]) -> float:
    """Seconds in any of the spans: functions are traced inside of others."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
