"""The tables of a report as rows of text, for the template to set."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scoring.leaderboard import Leaderboard
from scoring.logs.read import STATUSES
from scoring.stats.rows import Row
from scoring.views import runs
from scoring.views.runs import Spent
from scoring.views.text import NEVER, amount, fixed, number, printable

PROFILE_TAUS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)


def ranking(board: Leaderboard) -> list[dict]:
    """The rows of the leaderboard."""
    return [
        {
            "score": number(entry.score, fixed(entry.score, 4)),
            "interval": _interval(entry),
            "reached": sum(math.isfinite(time) for time in entry.gated.values()),
            "num_studies": entry.num_studies,
        }
        for entry in board.entries
    ]


def _interval(entry: Row) -> str:
    if entry.low is None or entry.high is None:
        return "1 study: ?" if entry.num_studies < 2 else "–"
    return f"{entry.low:.3f} to {entry.high:.3f}"


def times(board: Leaderboard) -> list[dict]:
    """One row per workload, one cell per submission, in the board's order."""
    rows = []
    for name in board.workloads + board.held_out:
        target = board.benchmark.workloads[name]
        sign = "≤" if target.lower_is_better else "≥"
        rows.append(
            {
                "name": printable(name),
                "held_out": name in board.held_out,
                "target": f"{printable(target.metric)} {sign} {target.value:g}"
                + (", held out" if name in board.held_out else ""),
                "cells": [_cell(entry, name) for entry in board.entries],
            }
        )
    return rows


def _cell(entry: Row, workload: str) -> dict:
    """Time to target, or how near the trials came."""
    if workload not in entry.statuses:
        return {**number(None, "not run"), "note": ""}
    time = entry.time_to_target.get(workload, math.inf)
    if math.isfinite(time):
        return {**number(time, amount(time)), "note": ""}
    counts, best = entry.statuses[workload], entry.best.get(workload, math.nan)
    note = f"best {best:.4g}" if math.isfinite(best) else ""
    if counts.get("reached"):
        note = f"{counts['reached']} of {sum(counts.values())} trials"
    return {"text": NEVER, "value": NEVER, "note": note}


def outcomes(board: Leaderboard) -> tuple[list[str], list[list[int]]]:
    """Statuses that occur, and per submission how many trials ended in each."""
    counts = [runs.statuses(entry.statuses) for entry in board.entries]
    found = [status for status in STATUSES if any(count[status] for count in counts)]
    return found, [[count[status] for status in found] for count in counts]


def spent(board: Leaderboard, entries: Sequence[Spent]) -> list[list[str]]:
    """Rows of the ledger: submission, workload, trials, wall seconds, then every account."""
    places = {entry.submission: i for i, entry in enumerate(board.entries)}
    names = runs.accounts(entries)
    return [
        [
            places[entry.submission],
            printable(entry.workload),
            str(entry.num_trials),
            fixed(entry.wall, 2),
            *(fixed(entry.seconds.get(name, 0.0), 2) for name in names),
        ]
        for entry in sorted(entries, key=lambda e: (places[e.submission], e.workload))
    ]


def machine_rows(machines: Sequence[runs.Machine]) -> list[tuple[str, list[str]]]:
    """One row per field of the fingerprints, those that differ first."""
    shown = machines[: runs.MOST_MACHINES]
    fields = dict.fromkeys(field for machine in shown for field in machine.fields)
    rows = [(field, [machine.fields.get(field, "") for machine in shown]) for field in fields]
    return sorted(rows, key=lambda row: len(set(row[1])) == 1)


def notes(board: Leaderboard) -> list[str]:
    """What a reader must know to read the page right."""
    found = []
    unknown = sum(entry.low is None for entry in board.entries)
    if unknown:
        every = unknown == len(board.entries)
        who = "No row has an interval" if every else f"{unknown} rows have no interval"
        found.append(f"{who}: one study cannot tell how sure a score is; run at least two.")
    if board.missing_workloads:
        how = "left out" if board.protocol.only_present else "counted as not reached"
        names = ", ".join(map(printable, board.missing_workloads))
        found.append(f"In no log, {how}: {names}.")
    if "replayed" in board.timing:
        found.append(f"Timing: {', '.join(map(printable, board.timing))}.")
    if len(board.fingerprints) > 1:
        found.append(f"Trials of {len(board.fingerprints)} different machines.")
    return found
