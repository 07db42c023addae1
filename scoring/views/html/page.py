"""All that a report's template is filled with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scoring.leaderboard import Leaderboard
from scoring.stats.profile import TAU_MAX
from scoring.views import runs, series
from scoring.views.html import populations, tables, versus
from scoring.views.html.data import page_data, places_of
from scoring.views.series import Trace
from scoring.views.text import json_block, printable

SECTIONS = (
    ("leaderboard", "Leaderboard"),
    ("profile", "Profile"),
    ("time-to-target", "To target"),
    ("curves", "Curves"),
    ("learning-rate", "Learning rate"),
    ("populations", "Populations"),
    ("budgets", "At a budget"),
    ("speedups", "Speedups"),
    ("ranks", "Above whom"),
    ("ledger", "Time spent"),
    ("hardware", "Hardware"),
    ("statuses", "Statuses"),
)
_HOW = {
    "exact": "Exact mode: the trial that is first in time counts in each study; closed-form area.",
    "official": "Official mode: as AlgoPerf's own scorer computes it, on 100 values of τ.",
}


def context(board: Leaderboard, root: Path) -> dict:
    """Names of the template and what they stand for."""
    columns = board.workloads + board.held_out
    counted = series.counted(board.trials, board.benchmark, board.protocol)
    learning = [series.learning_curve(t, board.benchmark.workloads[t.workload]) for t in counted]
    rates = [rate for rate in (series.learning_rate(root, t) for t in counted) if rate]
    evolved = populations.read(root, board.trials)
    shown = evolved[: populations.MOST_POPULATIONS]
    spent = runs.ledgers(board.trials)
    return {
        **_header(board),
        "sections": [section for section in SECTIONS if evolved or section[0] != "populations"],
        **_rows(board, spent),
        **_versus(board),
        "curves_of": _places(learning, columns),
        "rates_of": _places(rates, columns),
        "populations": populations.rows(shown, places_of(board)),
        "num_populations": len(evolved),
        "data": json_block(page_data(board, learning, rates, spent, shown)),
    }


def _header(board: Leaderboard) -> dict:
    """Title, facts and notes."""
    protocol = board.protocol
    name = printable(board.benchmark.name)
    facts = [
        ("ruleset", printable(protocol.ruleset)),
        ("mode", protocol.mode),
        ("scored by", protocol.by),
        ("submissions", f"{len(board.entries):,}"),
        ("workloads", f"{len(board.workloads)}"),
        ("trials", f"{len(board.trials):,}"),
    ]
    if board.held_out:
        facts.insert(5, ("held out", f"{len(board.held_out)}"))
    return {
        "title": f"{name}: algoperf-lite report",
        "benchmark": name,
        "facts": facts,
        "notes": tables.notes(board),
        "how": _HOW[protocol.mode],
        "by": protocol.by if protocol.by == "time" else "number of steps",
        "unit": board.unit,
        "tau_max": f"{TAU_MAX:g}",
        "num_bases": len(board.workloads),
    }


def _rows(board: Leaderboard, spent: Sequence[runs.Spent]) -> dict:
    """The tables."""
    outcome_names, outcomes = tables.outcomes(board)
    failures = runs.failures(board.trials)
    machines = runs.machines(board.trials)
    times = tables.times(board)
    return {
        "submissions": [printable(entry.submission) for entry in board.entries],
        "ranking": tables.ranking(board),
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


def _versus(board: Leaderboard) -> dict:
    """The comparisons beside the score."""
    return {
        "extra_columns": versus.extra_columns(board),
        "budgets": versus.budgets(board),
        "shares": versus.shares(),
        "speedups": versus.speedups(board),
        "no_speedups": versus.no_speedups(board),
        "reference": None if board.reference is None else places_of(board)[board.reference],
        "pairs": versus.pairs(board),
        "no_pairs": versus.no_pairs(board),
        "same": versus.same(board),
        "num_same": len(board.ranks.indistinguishable or ()),
        "num_pairs": len(board.entries) * (len(board.entries) - 1) // 2,
    }


def _places(found: Sequence[Trace], columns: Sequence[str]) -> set[int]:
    """Places of the workloads that have any of the curves."""
    return {columns.index(curve.workload) for curve in found}
