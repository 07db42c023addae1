"""Facts of trial.json files beside the curves: where time went, on what machine, what failed."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scoring.logs.format import ACCOUNTS, FAILURES
from scoring.logs.read import Trial
from scoring.views.text import Signs, fixed, flattened, long_text, plain, printable

MOST_DETAILS = 100
MOST_MACHINES = 6


@dataclass(frozen=True)
class Spent:
    """Seconds by account, summed over the trials of one submission on one workload."""

    submission: str
    workload: str
    num_trials: int
    seconds: Mapping[str, float]
    wall: float


@dataclass(frozen=True)
class Failure:
    """Trials that ended badly in the same way."""

    status: str
    error: str
    traceback: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Machine:
    """One hardware fingerprint, flattened, and how many trials ran on it."""

    num_trials: int
    fields: Mapping[str, str]


def ledgers(trials: Sequence[Trial]) -> list[Spent]:
    """Time spent by submission and workload; empty where no trial has a ledger."""
    groups: dict[tuple[str, str], list[dict[str, float]]] = {}
    for trial in trials:
        ledger = _seconds(trial.info.get("ledger"))
        if ledger.keys() - {"wall"}:
            groups.setdefault((trial.submission, trial.workload), []).append(ledger)
    found = []
    for (submission, workload), group in groups.items():
        total: Counter[str] = Counter()
        for ledger in group:
            total.update(ledger)
        # A ledger that others wrote may lack it.
        wall = total.pop("wall", sum(total.values()))
        found.append(Spent(submission, workload, len(group), dict(total), wall))
    return found


def accounts(spent: Sequence[Spent]) -> list[str]:
    """Names of the accounts that occur, known ones first in their order."""
    seen = {name for group in spent for name in group.seconds}
    return [name for name in ACCOUNTS if name in seen] + sorted(seen.difference(ACCOUNTS))


@dataclass(frozen=True)
class SpentRow:
    """A row of the table of `Spent`."""

    place: int  # of the submission on the board, from 0
    workload: str
    num_trials: int
    seconds: tuple[str, ...]  # wall, then every account


def spent_rows(spent: Sequence[Spent], places: Mapping[str, int], signs: Signs) -> list[SpentRow]:
    """The table, in the board's order; its columns are `accounts`."""
    names = accounts(spent)
    return [
        SpentRow(
            place=places[group.submission],
            workload=printable(group.workload),
            num_trials=group.num_trials,
            seconds=tuple(
                fixed(value, 2, signs)
                for value in (group.wall, *(group.seconds.get(name, 0.0) for name in names))
            ),
        )
        for group in sorted(spent, key=lambda s: (places[s.submission], s.workload))
    ]


def machines(trials: Sequence[Trial]) -> list[Machine]:
    """Distinct fingerprints with versions, the most frequent first."""
    counts: Counter[str] = Counter()
    for trial in trials:
        fingerprint, versions = trial.info.get("fingerprint"), trial.info.get("versions")
        content = dict(fingerprint) if isinstance(fingerprint, dict) else {}
        if fingerprint is not None and not content:
            content = {"key": fingerprint}
        if versions is not None:
            content["versions"] = versions
        if content:
            # Dicts cannot be counted; their text in one order can.
            counts[json.dumps(content, sort_keys=True)] += 1
    return [Machine(num, flattened(json.loads(text))) for text, num in counts.most_common()]


def failures(trials: Sequence[Trial]) -> list[Failure]:
    """Trials with a failure status, an error or a traceback; those alike together."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for trial in trials:
        error, traceback = trial.info.get("error"), trial.info.get("traceback")
        if trial.status in FAILURES or error or traceback:
            key = (
                (trial.status or "unknown").replace("_", " "),
                plain(error) if error else "",
                long_text(traceback) if traceback else "",
            )
            groups.setdefault(key, []).append(printable(trial.path))
    return [Failure(*key, tuple(paths)) for key, paths in groups.items()]


def _seconds(ledger: object) -> dict[str, float]:
    """The finite, non-negative numbers of a ledger by account."""
    if not isinstance(ledger, dict):
        return {}
    return {
        printable(str(name)): float(value)
        for name, value in ledger.items()
        # JSON's true is an int to Python.
        if isinstance(value, int | float) and not isinstance(value, bool)
        if math.isfinite(value) and value >= 0
    }


def machine_rows(machines: Sequence[Machine]) -> list[tuple[str, list[str]]]:
    """One row per field of the fingerprints, those that differ first."""
    shown = machines[:MOST_MACHINES]
    fields = dict.fromkeys(field for machine in shown for field in machine.fields)
    rows = [(field, [machine.fields.get(field, "") for machine in shown]) for field in fields]
    return sorted(rows, key=lambda row: len(set(row[1])) == 1)
