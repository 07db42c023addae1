"""All that a report's template is filled with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scoring.leaderboard import Leaderboard
from scoring.logs import Trial
from scoring.profile import TAU_MAX
from scoring.report import curves, runs, tables
from scoring.report.curves import Curve
from scoring.report.data import page_data
from scoring.report.text import json_block
from scoring.table import printable

SECTIONS = (
    ("leaderboard", "Leaderboard"),
    ("profile", "Profile"),
    ("time-to-target", "To target"),
    ("curves", "Curves"),
    ("learning-rate", "Learning rate"),
    ("ledger", "Time spent"),
    ("hardware", "Hardware"),
    ("statuses", "Statuses"),
)
_HOW = {
    "exact": "Exact mode: the trial that is first in time counts in each study; closed-form area.",
    "official": "Official mode: as AlgoPerf's own scorer computes it, on 100 values of τ.",
}


def context(board: Leaderboard, trials: Sequence[Trial], root: Path) -> dict:
    """Names of the template and what they stand for."""
    columns = board.workloads + board.held_out
    scored = [trial for trial in trials if trial.workload in columns]
    counted = curves.counted(scored, board.benchmark, board.protocol, columns)
    learning = [curves.learning_curve(t, board.benchmark.workloads[t.workload]) for t in counted]
    rates = [rate for rate in (curves.learning_rate(root, t) for t in counted) if rate]
    spent = runs.ledgers(scored)
    return {
        **_header(board, len(scored)),
        **_rows(board, scored, spent),
        "curves_of": _places(learning, columns),
        "rates_of": _places(rates, columns),
        "data": json_block(page_data(board, learning, rates, spent)),
    }


def _header(board: Leaderboard, num_trials: int) -> dict:
    """Title, facts and notes."""
    protocol = board.protocol
    name = printable(board.benchmark.name)
    facts = [
        ("ruleset", printable(protocol.ruleset)),
        ("mode", protocol.mode),
        ("scored by", protocol.by),
        ("submissions", f"{len(board.entries):,}"),
        ("workloads", f"{len(board.workloads)}"),
        ("trials", f"{num_trials:,}"),
    ]
    if board.held_out:
        facts.insert(5, ("held out", f"{len(board.held_out)}"))
    return {
        "title": f"{name}: algoperf-lite report",
        "benchmark": name,
        "facts": facts,
        "sections": SECTIONS,
        "notes": tables.notes(board),
        "how": _HOW[protocol.mode],
        "by": protocol.by if protocol.by == "time" else "number of steps",
        "unit": board.unit,
        "tau_max": f"{TAU_MAX:g}",
        "num_bases": len(board.workloads),
    }


def _rows(board: Leaderboard, trials: Sequence[Trial], spent: Sequence[runs.Spent]) -> dict:
    """The tables."""
    outcome_names, outcomes = tables.outcomes(board)
    failures = runs.failures(trials)
    machines = runs.machines(trials)
    times = tables.times(board)
    return {
        "submissions": [printable(entry.submission) for entry in board.entries],
        "ranking": tables.ranking(board),
        "extra_columns": [],
        "profile_taus": tables.PROFILE_TAUS,
        "times": times,
        "workloads": [{**row, "place": place} for place, row in enumerate(times)],
        "accounts": runs.accounts(spent),
        "spent": tables.spent(board, spent),
        "machines": machines[: runs.MOST_MACHINES],
        "num_machines": len(machines),
        "machine_rows": tables.machine_rows(machines),
        "outcome_names": outcome_names,
        "outcomes": outcomes,
        "failures": failures[: runs.MOST_DETAILS],
        "num_failures": len(failures),
        "oddities": runs.oddities(board.oddities),
    }


def _places(found: Sequence[Curve], columns: Sequence[str]) -> set[int]:
    """Places of the workloads that have any of the curves."""
    return {columns.index(curve.workload) for curve in found}
