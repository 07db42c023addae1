"""Rows of the leaderboard and of its workloads, which the terminal and the page only set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scoring.leaderboard import Leaderboard
from scoring.logs.format import STATUSES
from scoring.logs.read import Anomaly, Trial
from scoring.stats.rows import Row
from scoring.views.text import Cell, Signs, amount, cell, counted, factor, fixed, printable
from scoring.views.text import interval as interval_text

ONE_STUDY = "1 study: ?"


@dataclass(frozen=True)
class Standing:
    """A row of the leaderboard proper."""

    name: str
    score: Cell
    interval: str
    reached: str  # base workloads, e.g. "3/4"
    num_studies: int


@dataclass(frozen=True)
class Result:
    """One submission on one workload."""

    place: int  # of the submission on the board, from 0
    name: str
    seconds: float  # or steps; inf: never
    time: Cell
    ratio: str  # to the fastest; empty where it earns none
    best: str  # value of the metric
    statuses: str
    note: str  # how near it came where it never arrived
    was_run: bool


@dataclass(frozen=True)
class Workload:
    """A workload with its target and the results of all submissions, in the board's order."""

    name: str
    target: str
    is_held_out: bool
    is_missing: bool  # it is in no log
    results: tuple[Result, ...]


@dataclass(frozen=True)
class AnomalyKind:
    """All anomalies of one kind; detail and path are those of the first."""

    kind: str
    count: int
    detail: str
    path: str


def title(board: Leaderboard) -> str:
    """E.g. "lite: exact score by time over 3 workloads"."""
    protocol = board.protocol
    return (
        f"{printable(board.benchmark.name)}: {protocol.mode} score by {protocol.by} "
        f"over {counted(len(board.workloads), 'workload')}"
    )


def ranking(board: Leaderboard, signs: Signs) -> list[Standing]:
    """The rows of the leaderboard, the best first."""
    return [
        Standing(
            name=printable(row.submission),
            score=cell(row.score, fixed(row.score, 4, signs)),
            interval=_interval(row, signs),
            reached=f"{sum(map(math.isfinite, row.gated.values()))}/{len(board.workloads)}",
            num_studies=row.num_studies,
        )
        for row in board.rows
    ]


def _interval(row: Row, signs: Signs) -> str:
    if row.low is None or row.high is None:
        # Two studies and yet no interval: it was run on no workload that counts.
        return ONE_STUDY if row.num_studies < 2 else signs.none
    return interval_text(row.low, row.high, 3)


def workloads(board: Leaderboard, signs: Signs) -> list[Workload]:
    """Base workloads, then held-out ones."""
    found = []
    for name in board.columns:
        target = board.benchmark.workloads[name]
        sign = signs.at_most if target.lower_is_better else signs.at_least
        found.append(
            Workload(
                name=printable(name),
                target=f"{printable(target.metric)} {sign} {target.value:g}",
                is_held_out=name in board.held_out,
                is_missing=name in board.missing_workloads,
                results=tuple(
                    _result(place, row, name, signs) for place, row in enumerate(board.rows)
                ),
            )
        )
    return found


def _result(place: int, row: Row, workload: str, signs: Signs) -> Result:
    """Time to target of a submission, or how near its trials came."""
    was_run = workload in row.statuses
    seconds = row.time_to_target.get(workload, math.inf)
    counts, best = row.statuses.get(workload, {}), row.best.get(workload, math.nan)
    return Result(
        place=place,
        name=printable(row.submission),
        seconds=seconds,
        time=cell(seconds, amount(seconds) if was_run else "not run"),
        ratio=_ratio(row.ratio_to_best.get(workload), seconds, signs),
        best="none" if math.isnan(best) else f"{best:.5g}",
        statuses=_statuses(counts),
        note="" if math.isfinite(seconds) else _nearness(counts, best),
        was_run=was_run,
    )


def _ratio(ratio: float | None, seconds: float, signs: Signs) -> str:
    """Time over the fastest one's; "no credit" for a time that the gates took away."""
    if ratio is None or math.isinf(seconds):
        return ""
    return factor(ratio, signs) if math.isfinite(ratio) else "no credit"


def _nearness(counts: Mapping[str, int], best: float) -> str:
    # A median over studies can be "never" although some trials arrived.
    if counts.get("reached"):
        return f"{counts['reached']} of {sum(counts.values())} trials"
    return f"best {best:.4g}" if math.isfinite(best) else ""


def _statuses(counts: Mapping[str, int]) -> str:
    """E.g. "1 reached, 2 diverged"."""
    known = [status for status in STATUSES if status in counts]
    words = [f"{counts[status]} {status.replace('_', ' ')}" for status in known]
    # "1 reached, 4 not": the word is there already, and the column is narrow.
    if known[:2] == ["reached", "not_reached"]:
        words[1] = f"{counts['not_reached']} not"
    return ", ".join(words)


def outcomes(board: Leaderboard) -> tuple[list[str], list[list[int]]]:
    """Statuses that occur, and per submission how many trials ended in each."""
    # Statuses that never occurred would be columns of zeros.
    counts = [sum(map(Counter, row.statuses.values()), Counter()) for row in board.rows]
    found = [status for status in STATUSES if any(count[status] for count in counts)]
    return found, [[count[status] for status in found] for count in counts]


def notes(board: Leaderboard) -> list[str]:
    """Sentences that a reader must know to read the board right."""
    found = []
    unknown = sum(row.low is None for row in board.rows)
    if unknown:
        who = "An" if unknown == len(board.rows) else f"For {counted(unknown, 'row')} an"
        found.append(f"{who} interval cannot be told from one study; run at least two.")
    rivals = _not_below_the_first(board)
    if rivals:
        found.append(f"Not distinguishable from the first: {', '.join(map(printable, rivals))}.")
    if board.missing_workloads:
        how = "left out" if board.protocol.only_present else "counted as not reached"
        names = ", ".join(map(printable, board.missing_workloads))
        found.append(f"In no log, {how}: {names}.")
    # Measured times are what everybody expects.
    if "replayed" in board.timing:
        found.append(f"Timing: {', '.join(map(printable, board.timing))}.")
    if len(board.fingerprints) > 1:
        found.append(f"Trials of {len(board.fingerprints)} different machines.")
    # Where trials say nothing, or float32, it is what everybody expects.
    precisions = {str(trial.info.get("precision") or "float32") for trial in board.trials}
    if precisions - {"float32"}:
        found.append(f"Precision: {', '.join(map(printable, sorted(precisions)))}.")
    subsets = {str(n) for trial in board.trials if (n := trial.info.get("eval_examples"))}
    if subsets:
        found.append(
            f"Evaluated on {', '.join(map(printable, sorted(subsets)))} examples of a split at "
            "most: a target may be reached by luck, and this is not AlgoPerf's evaluation."
        )
    if board.protocol.by == "time" and any(map(_is_lite_on_accelerator, board.trials)):
        found.append(
            "Lite steps on an accelerator take what starting their kernels takes: seconds favor "
            "submissions of few kernels; --by=steps compares the algorithms."
        )
    return found


def _is_lite_on_accelerator(trial: Trial) -> bool:
    """Whether a trial of the small models was timed on a device that they do not fill."""
    fingerprint = trial.info.get("fingerprint")
    platform = fingerprint.get("platform") if isinstance(fingerprint, dict) else None
    return trial.info.get("scale") == "lite" and platform in ("gpu", "tpu")


def _not_below_the_first(board: Leaderboard) -> list[str]:
    """Submissions whose score is not surely below that of the first."""
    first = board.rows[0].submission
    pairs = board.ranks.indistinguishable or ()
    return [name for pair in pairs if first in pair for name in pair if name != first]


def anomalies(found: Sequence[Anomaly]) -> list[AnomalyKind]:
    """Anomalies by kind, sorted: a tree of thousands of logs may repeat one a thousand times."""
    counts = Counter(anomaly.kind for anomaly in found)
    kinds = []
    for kind, count in sorted(counts.items()):
        first = next(anomaly for anomaly in found if anomaly.kind == kind)
        kinds.append(AnomalyKind(kind, count, printable(first.detail), printable(first.path)))
    return kinds
