"""Trials of a pack trained again on this machine, and compared with what was recorded.

This runs a stranger's code, in a process of its own but with all rights of whoever asks for it.
"""

import dataclasses
import math
import random
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import workloads
from algoperf_lite.executors import local
from algoperf_lite.experiment import jobs
from algoperf_lite.experiment.records import pack_checks
from algoperf_lite.experiment.records.case import Case
from algoperf_lite.experiment.records.verdict import Problem, Replayed
from algoperf_lite.experiment.sources import Source
from algoperf_lite.trial.config import at_least
from scoring import benchmark as benchmarks
from scoring.logs.format import CLOCK, LEARNING_RATE, STEP

# Of a loss or a metric, relative to its size and at least to 1. Other processors round otherwise,
# and training makes the difference grow.
TOLERANCE = 0.05
# Trials on one workload that are trained beside each other are slower or faster together; a clock
# that was made faster is off by itself. A busy machine can put two honest ones apart by 2.
MOST_APART = 5.0


@dataclasses.dataclass(frozen=True)
class Request:
    """What is to be trained again.

    Attributes:
      steps: to train, down to the evaluation before.
      trials: number of them.
      seconds: after which no other is begun; None for no such limit.
      rng_seed: draws the trials; whoever makes up records must not know it before.
    """

    steps: int
    trials: int = 2
    seconds: float | None = None
    rng_seed: int = dataclasses.field(default_factory=lambda: secrets.randbelow(2**32))

    def __post_init__(self) -> None:
        at_least("steps", self.steps, 1)
        at_least("trials", self.trials, 1)
        at_least("rng_seed", self.rng_seed, 0)


def replay(
    request: Request, found: Sequence[Case], kept: Mapping[str, Source], folder: Path
) -> Iterator[Replayed | Problem | str]:
    """Trains drawn trials again: what came of each, problems, and remarks.

    Args:
      found: trials in which nothing was found without training.
      kept: sources by name.
      folder: for logs.
    """
    began, done = time.monotonic(), []
    for number, case in enumerate(chosen(found, request.trials, random.Random(request.rng_seed))):
        if request.seconds is not None and time.monotonic() - began > request.seconds:
            yield f"{number} trials were trained again in the {request.seconds:g} s that were given"
            break
        source = pack_checks.source_of(kept, case)
        why = hindrance(case, source)
        if why is not None:
            yield f"{case.place} was not trained again: {why}"
            continue
        step = max(s for s in case.column(STEP) if s <= max(request.steps, case.column(STEP)[0]))
        said = _again(case, source, int(step), folder / str(number))
        if isinstance(said, str):
            yield f"{case.place} could not be trained again: {said}"
            continue
        here, its_key = said
        for item in compared(case, here, int(step), its_key):
            done += [item] if isinstance(item, Replayed) else []
            yield item
    workload_of = {case.place: case.workload for case in found}
    yield from too_fast(done, workload_of)


def chosen(found: Sequence[Case], count: int, rng: random.Random) -> list[Case]:
    """So many trials: of a drawn workload one of each submission, then the next workload's.

    Of a submission's trials on a workload the fastest comes first, as it makes the score.
    """
    by_workload: dict[str, dict[str, list[Case]]] = {}
    for case in found:
        if case.rows:
            of_submission = by_workload.setdefault(case.workload, {})
            of_submission.setdefault(case.place.partition("/")[0], []).append(case)
    order: list[Case] = []
    for workload in rng.sample(sorted(by_workload), len(by_workload)):
        names = sorted(by_workload[workload])
        cells = [by_workload[workload][name] for name in rng.sample(names, len(names))]
        for cell in cells:
            rng.shuffle(cell)
            cell.sort(key=lambda case: case.record["time_to_target"] or math.inf)
        # The first of each, then the second of each.
        longest = max(map(len, cells))
        order += [cell[i] for i in range(longest) for cell in cells if i < len(cell)]
    return order[:count]


def hindrance(case: Case, source: Source | None) -> str | None:
    """Why a trial cannot be trained here; None where it can."""
    config = case.spec.config
    if source is None:
        return "the pack has no source of its submission"
    # A path in somebody's pack must not choose what is imported here.
    if workloads.is_outside(case.spec.workload):
        return "its workload is from elsewhere"
    if config.scale != "lite":
        return "it reads data sets from files"
    # A file that somebody's pack names is not read here.
    known = config.benchmark in benchmarks.names()
    if known and benchmarks.load(config.benchmark).replaced_by is not None:
        return f"the workloads of {config.benchmark} have changed since"
    if config.requirements == "isolated":
        return "its submission needs an environment of its own"
    try:
        workloads.locate(case.spec.workload)
        config.numerics.check()
    except ValueError as error:
        return str(error)
    return None


def _again(case: Case, source: Source, step: int, folder: Path) -> tuple[Case, str] | str:
    """The trial as it went here and the key of this machine; a sentence where it failed."""
    # Steps end it, so that a slower machine does the same.
    record = trained(case, source, folder, max_global_steps=step)
    if isinstance(record, str):
        return record
    if record["data_sha256"] != case.record["data_sha256"]:
        return "its data are others here"
    return dataclasses.replace(case, path=folder), record["fingerprint"]["key"]


def trained(case: Case, source: Source, folder: Path, **changes: Any) -> Mapping[str, Any] | str:
    """The record of a trial of a pack's submission, trained here without a limit in seconds, with
    changes to its spec; a sentence where it failed."""
    spec = dataclasses.replace(
        case.spec,
        submission=str(source.path),
        entry=case.submission,
        directory=str(folder),
        data_dir=None,
        max_seconds=None,
        **changes,
    )
    config = spec.config
    executor = local.local(config.cores_per_trial, 1, config.devices_per_trial)
    [(_, record)] = jobs.run([spec], executor, limits=jobs.Limits(max_retries=0))
    if record["status"] not in ("reached", "not_reached", "diverged"):
        return f"{record['status']}, {record['error']}"
    return record


def compared(case: Case, here: Case, step: int, key: str) -> Iterator[Replayed | Problem]:
    """How alike two runs of a trial are, up to a step; and a problem where that is not enough."""
    old = {row[STEP]: row for row in case.measurements if row[CLOCK] and int(row[STEP]) <= step}
    new = {row[STEP]: row for row in here.measurements if row[CLOCK]}
    if old.keys() != new.keys():
        yield Problem("curve", case.place, f"its evaluations up to step {step} are others here")
        return
    largest, same, worst = 0.0, True, ""
    for at, row in old.items():
        for name in row:
            one, other = row[name], new[at].get(name) or ""
            # What is measured at the last step alone has no counterpart.
            if not one or not other or not ("/" in name or name in ("loss", LEARNING_RATE)):
                continue
            same = same and one == other
            difference = apart(float(one), float(other))
            if difference > largest:
                largest, worst = difference, f"{name} at step {at} was {one}, here it is {other}"
    record = case.record
    # Trials that shared a program need not have the bits of one that is alone.
    is_same_machine = record["timing"] == "measured" and record["fingerprint"]["key"] == key
    ratio = _seconds(list(new.values())) / _seconds(list(old.values()))
    yield Replayed(case.place, step, is_same_machine, same, largest, ratio)
    if is_same_machine and not same:
        yield Problem("curve", case.place, f"on the same kind of machine {worst}")
    elif largest > TOLERANCE:
        yield Problem("curve", case.place, f"{worst}, more than {TOLERANCE:.0%} apart")


def apart(one: float, other: float) -> float:
    """The difference of two values, relative to the larger and at least to 1."""
    if math.isfinite(one) and math.isfinite(other):
        return abs(one - other) / max(1.0, abs(one), abs(other))
    # Both may have diverged.
    return 0.0 if repr(one) == repr(other) else math.inf


def _seconds(rows: Sequence[Mapping[str, str]]) -> float:
    """Seconds on the clock from the first evaluation to the last; until the first if it is one."""
    first, last = float(rows[0][CLOCK]), float(rows[-1][CLOCK])
    return max(last - first if len(rows) > 1 else last, 1e-9)


def too_fast(done: Sequence[Replayed], workload_of: Mapping[str, str]) -> Iterator[Problem]:
    """Trials whose recorded clock is much faster than that of the trials beside them."""
    # Of one step, the clock has the making of the first state.
    done = [one for one in done if one.steps > 1]
    for one in done:
        beside = [
            other.time_ratio
            for other in done
            if workload_of[other.place] == workload_of[one.place] and other is not one
        ]
        if beside and one.time_ratio > MOST_APART * min(beside):
            yield Problem(
                "time",
                one.place,
                f"here it takes {one.time_ratio:.1f} times as long as was recorded, a trial beside "
                f"it {min(beside):.1f} times",
            )
