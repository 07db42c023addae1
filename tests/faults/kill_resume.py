"""Trials that are killed again and again, and end as if nothing had been.

Each case takes a trial (native, in AlgoPerf's form, or a population), kills its process one to
three times by SIGKILL, and then lets it end. Moments are drawn from a seed: any time, in the middle
of an append to a log (a part of the line is on the disk then), or while a checkpoint is written.
What has to hold is in `problems`.

    python -m tests.faults.kill_resume --cases=50
"""

import argparse
import collections
import csv
import dataclasses
import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from algoperf_lite import tuning
from algoperf_lite.machine import environment
from algoperf_lite.population import lineage
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.storage import atomic
from algoperf_lite.training.clock import adds_up
from algoperf_lite.trial import logs
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec

SUBMISSIONS = Path(__file__).parents[1] / "algoperf_form" / "submissions"
STEPS = 90
KINDS = {
    "native": {"submission": "nadamw"},
    # Which examples a step sees depends on the losses of all steps before it.
    "selecting": {"submission": "loss_sampled_adamw"},
    # In AlgoPerf's form: one keeps a batch in a variable of its module, the other much else.
    "echoing": {"submission": str(SUBMISSIONS / "dropout_smoothing")},
    "remembering": {"submission": str(Path(__file__).parent / "remembering")},
    "population": {"submission": "nadamw", "population": PopulationConfig(3, 7)},
}
MOMENTS = ("any time", "log append", "checkpoint write")
# From the last sign of life of a killed process to its end: on an idle machine, and as a share of a
# whole trial on a busy one.
_UNSEEN_SECONDS = 2.5
_UNSEEN_SHARE = 0.4
_CHECKPOINT_SECONDS = 0.06

# What a process does that is to die of itself: the n-th call of a function kills it.
_AT_APPEND = """
import os, signal
from algoperf_lite.storage import atomic
calls, append = itertools.count(), atomic.append_text
def torn(path, text):
    if next(calls) == {number}:
        append(path, text[: int({share} * len(text))])
        os.kill(os.getpid(), signal.SIGKILL)
    append(path, text)
atomic.append_text = torn
"""
_IN_CHECKPOINT = """
import os, signal, threading
from algoperf_lite.trial import checkpoints
calls, save = itertools.count(), checkpoints.save
def watched(*arguments):
    if next(calls) == {number}:
        kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
        threading.Timer({share} * {seconds}, kill).start()
    save(*arguments)
checkpoints.save = watched
"""
_TRIAL = """
import importlib, itertools, json, sys
{head}
message = json.loads(sys.stdin.read())
importlib.import_module(message["module"]).work(message["payload"], lambda **event: None)
"""


class End(NamedTuple):
    """How a trial ended: its record, rows and lineage."""

    record: dict[str, Any]
    rows: dict[str, list[dict[str, str]]]
    lineage: bytes | None


class Kill(NamedTuple):
    """A death: one of `MOMENTS`, which call of it, and how far in (a share)."""

    moment: str
    number: int
    share: float


def spec_of(kind: str, directory: Path) -> TrialSpec:
    """A short trial with an evaluation about every two steps."""
    fields = {
        "workload": "digits",
        "study": 0,
        "trial": 1,
        "config": ExperimentConfig(ruleset=tuning.Ruleset("external", 1, 1, 1.0), rng_seed=1),
        "directory": str(directory),
        "budget": STEPS / 300,
        "max_global_steps": STEPS - 30 if kind == "population" else STEPS,
    }
    return TrialSpec(**fields, **KINDS[kind])


def attempt(trial_spec: TrialSpec, kill: Kill | None, usual_seconds: float) -> float:
    """Runs a trial in a process, which a kill ends, and returns its seconds."""
    head = ""
    if kill is not None and kill.moment == "log append":
        head = _AT_APPEND.format(number=kill.number, share=kill.share)
    elif kill is not None and kill.moment == "checkpoint write":
        values = {"number": kill.number, "share": kill.share, "seconds": _CHECKPOINT_SECONDS}
        head = _IN_CHECKPOINT.format(**values)
    began = time.monotonic()
    message = {
        "module": "algoperf_lite.trial.run",
        "payload": {
            "spec": dataclasses.asdict(trial_spec),
            "started": began,
            "checkpoint_share": 1.0,
            "num_processes": 2,
        },
    }
    compiled = Path(tempfile.gettempdir()) / f"algoperf_lite_kill_resume_{os.getuid()}"
    process = subprocess.Popen(
        [sys.executable, "-c", _TRIAL.format(head=head)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=environment.environment(1, compiled),
    )
    limit = usual_seconds * kill.share if kill is not None and kill.moment == "any time" else 300.0
    try:
        _, errors = process.communicate(json.dumps(message).encode(), timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        _, errors = process.communicate()
    seconds = time.monotonic() - began
    if process.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(errors.decode()[-2000:])
    return seconds


def end_of(trial_spec: TrialSpec) -> End:
    """What a finished trial left."""
    directory = Path(trial_spec.directory)
    rows = {}
    for name in logs.ROWS:
        with (directory / name).open() as file:
            rows[name] = list(csv.DictReader(file))
    path = directory / lineage.FILE
    record = logs.read_record(directory)
    assert record is not None, directory
    return End(record, rows, path.read_bytes() if path.exists() else None)


def metrics(row: dict[str, str]) -> dict[str, str]:
    """A row without its times."""
    names = ("global_step", "learning_rate", "loss")
    return {name: text for name, text in row.items() if "/" in name or name in names}


def problems(
    found: End, expected: End, num_attempts: int, seconds: float, usual_seconds: float = 0.0
) -> list[str]:
    """The differences of a trial that took `num_attempts` and so many seconds in all.

    `usual_seconds` are those of a trial that nobody disturbs, on the same busy machine.
    """
    if found.record["status"] != expected.record["status"]:
        return [f"it {found.record['status']}: {found.record['error']}"]
    wrong = []
    for name, rows in found.rows.items():
        if [metrics(row) for row in rows] != [metrics(row) for row in expected.rows[name]]:
            wrong.append(f"{name} differs")
    if found.lineage != expected.lineage:
        wrong.append("the lineage differs")
    fields = ("best", "final", "steps", "steps_to_target", "hyperparameters")
    for name in fields:
        if found.record[name] != expected.record[name]:
            wrong.append(f"{name} is {found.record[name]}, not {expected.record[name]}")
    times = [float(row["score"]) for row in found.rows["eval_measurements.csv"]]
    if times != sorted(times):
        wrong.append("the clock went back")
    unseen = max(_UNSEEN_SECONDS, _UNSEEN_SHARE * usual_seconds)
    ledger, least = found.record["ledger"], seconds - unseen * num_attempts
    if not adds_up(ledger, ledger["wall"]) or not least <= ledger["wall"] <= seconds + 0.5:
        wrong.append(f"the ledger has {ledger['wall']:.2f} s of {seconds:.2f} s: {ledger}")
    if found.record["rows_sha256"] != _sha256(found):
        wrong.append("the record's hashes are not those of the rows")
    return wrong


def _sha256(end: End) -> dict[str, str]:
    directory = Path(end.record["directory"])
    return {name: atomic.mark(directory / name).sha256 for name in logs.ROWS}


def kills(rng: random.Random) -> list[Kill]:
    """One to three deaths."""
    return [
        Kill(rng.choice(MOMENTS), rng.randrange(12), rng.random()) for _ in range(rng.randint(1, 3))
    ]


def run_case(kind: str, deaths: list[Kill], directory: Path, whole: tuple[End, float]) -> list[str]:
    """What does not hold of a trial of a kind that dies so."""
    expected, usual_seconds = whole
    trial_spec, seconds, num_attempts = spec_of(kind, directory), 0.0, 0
    for kill in (*deaths, None):
        if logs.read_record(directory) is None:
            seconds += attempt(trial_spec, kill, usual_seconds)
            num_attempts += 1
    found = end_of(trial_spec)
    found.record["directory"] = str(directory)
    return problems(found, expected, num_attempts, seconds, usual_seconds)


def undisturbed(kind: str, directory: Path) -> tuple[End, float]:
    """The end of a trial that nobody disturbs, and its seconds once its programs are compiled."""
    for name in ("first", "second"):
        trial_spec = spec_of(kind, directory / name)
        seconds = attempt(trial_spec, None, 0.0)
    end = end_of(trial_spec)
    assert end.record["status"] == "not_reached", end.record["error"]
    return end, seconds


def main() -> int:
    """1 where anything does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="case to begin with")
    arguments = parser.parse_args()
    failed, tried = 0, collections.Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = functools.cache(lambda kind: undisturbed(kind, folder / kind))  # few cases need few
        for case in range(arguments.first, arguments.first + arguments.cases):
            kind = list(KINDS)[case % len(KINDS)]
            deaths = kills(random.Random(f"{arguments.seed}/{case}"))
            directory = folder / f"case_{case}"
            wrong = run_case(kind, deaths, directory, whole(kind))
            shutil.rmtree(directory)
            failed += bool(wrong)
            tried.update(kill.moment for kill in deaths)
            how = ", ".join(f"{kill.moment} {kill.number} {kill.share:.2f}" for kill in deaths)
            print(f"case {case} {kind} ({how}): {'; '.join(wrong) or 'the same'}", flush=True)
    counts = ", ".join(f"{count} at {moment}" for moment, count in tried.items())
    print(f"{arguments.cases - failed} of {arguments.cases} the same; kills: {counts}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
