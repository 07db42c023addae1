"""What trial.json files tell beside the curves: where time went, on what machine, what failed."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scoring.logs.read import FAILURES, STATUSES, Anomaly, Trial
from scoring.views.text import flattened, long_text, plain, printable

# The order of a bar: what is on the submission's clock first.
ACCOUNTS = (
    "update_params",
    "data_selection",
    "prepare_for_eval",
    "fitness",
    "init",
    "compile",
    "eval",
    "checkpoint",
    "log",
    "setup",
)
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
    """Where the time went, by submission and workload; empty where no trial has a ledger."""
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
        wall = total.pop("wall", sum(total.values()))
        found.append(Spent(submission, workload, len(group), dict(total), wall))
    return found


def accounts(spent: Sequence[Spent]) -> list[str]:
    """Names of the accounts that occur, known ones first in their order."""
    seen = {name for entry in spent for name in entry.seconds}
    return [name for name in ACCOUNTS if name in seen] + sorted(seen.difference(ACCOUNTS))


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


def statuses(counts: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    """How many trials ended in which way, over all workloads."""
    total: Counter[str] = Counter()
    for by_status in counts.values():
        total.update(by_status)
    return Counter({name: total[name] for name in STATUSES if total[name]})


def oddities(found: Sequence[Anomaly]) -> list[tuple[str, int, str, str]]:
    """(kind, how many, detail of the first, path of the first), sorted by kind."""
    counts = Counter(oddity.kind for oddity in found)
    rows = []
    for kind, count in sorted(counts.items()):
        first = next(oddity for oddity in found if oddity.kind == kind)
        rows.append((kind, count, printable(first.detail), printable(first.path)))
    return rows


def _seconds(ledger: object) -> dict[str, float]:
    """The finite, non-negative numbers of a ledger by account."""
    if not isinstance(ledger, dict):
        return {}
    return {
        printable(str(name)): float(value)
        for name, value in ledger.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
        if math.isfinite(value) and value >= 0
    }
