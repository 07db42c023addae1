"""The context of a report's template: rows, notes and the JSON block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scoring.leaderboard import Leaderboard
from scoring.stats.budgets import SHARES
from scoring.stats.profile import TAU_MAX
from scoring.views import rows, runs, series, versus, words
from scoring.views.html import diagnostics, importance, populations
from scoring.views.html.data import page_data
from scoring.views.series import Trace
from scoring.views.text import TYPESET, factor, json_block, printable, span

SECTIONS = (
    ("leaderboard", "Leaderboard"),
    ("profile", "Profile"),
    ("time-to-target", "To target"),
    ("curves", "Curves"),
    ("learning-rate", "Learning rate"),
    ("populations", "Populations"),
    ("diagnostics", "Diagnostics"),
    ("budgets", "At a budget"),
    ("speedups", "Speedups"),
    ("ranks", "Above whom"),
    ("importance", "Hyperparameters"),
    ("ledger", "Time spent"),
    ("hardware", "Hardware"),
    ("statuses", "Statuses"),
)
PROFILE_TAUS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
_HOW = {
    "exact": "Exact mode: the trial that is first in time counts in each study; closed-form area.",
    "official": "Official mode: as AlgoPerf's own scorer computes it, on 100 values of τ.",
}


def context(board: Leaderboard, root: Path) -> dict:
    """Names of the template and what they stand for."""
    counted = series.counted(board.trials, board.benchmark, board.protocol)
    learning = [series.learning_curve(t, board.benchmark.workloads[t.workload]) for t in counted]
    rates = [rate for rate in (series.learning_rate(root, t) for t in counted) if rate]
    # What is drawn is limited, what is counted is not: the page says how many there are.
    evolved = populations.read(root, board.trials)
    shown = evolved[: populations.MOST_POPULATIONS]
    inside = diagnostics.read(root, board.trials)
    looked_at = inside[: diagnostics.MOST_TRIALS]
    spent = runs.ledgers(board.trials)
    searched = importance.shown(board)
    there = {"populations": evolved, "diagnostics": inside, "importance": searched}
    return {
        **_header(board),
        "sections": [(anchor, name) for anchor, name in SECTIONS if there.get(anchor, True)],
        **_tables(board, spent),
        **_comparisons(board),
        "curves_of": _places(board, learning),
        "rates_of": _places(board, rates),
        "populations": populations.rows(shown, board.places),
        "num_populations": len(evolved),
        "diagnosed": diagnostics.rows(looked_at, board.places),
        "num_diagnosed": len(inside),
        "searched": importance.rows(searched, board.places),
        "num_searched": len(importance.searched(board)),
        "data": json_block(
            {
                **page_data(board, learning, rates, spent, shown, looked_at),
                "importance": [importance.to_json(found) for found in searched],
            }
        ),
    }


def _header(board: Leaderboard) -> dict:
    """Title, facts and notes."""
    protocol = board.protocol
    name = printable(board.benchmark.name)
    facts = [
        ("ruleset", printable(protocol.ruleset)),
        ("mode", protocol.mode),
        ("scored by", protocol.by),
        ("submissions", f"{len(board.rows):,}"),
        ("workloads", f"{len(board.workloads)}"),
        ("trials", f"{len(board.trials):,}"),
    ]
    if board.held_out:
        # Beside the workloads, before the trials.
        facts.insert(5, ("held out", f"{len(board.held_out)}"))
    return {
        "title": f"{name}: algoperf-lite report",
        "benchmark": name,
        "facts": facts,
        "notes": rows.notes(board),
        "how": _HOW[protocol.mode],
        "by": protocol.by if protocol.by == "time" else "number of steps",
        "unit": board.unit,
        "tau_max": f"{TAU_MAX:g}",
        "num_bases": len(board.workloads),
    }


def _tables(board: Leaderboard, spent: Sequence[runs.Spent]) -> dict:
    """The tables about workloads and about runs."""
    outcome_names, outcomes = rows.outcomes(board)
    failures = runs.failures(board.trials)
    machines = runs.machines(board.trials)
    return {
        "submissions": [printable(name) for name in board.places],
        "ranking": rows.ranking(board, TYPESET),
        "profile_taus": PROFILE_TAUS,
        "workloads": rows.workloads(board, TYPESET),
        "accounts": runs.accounts(spent),
        "spent": runs.spent_rows(spent, board.places, TYPESET),
        "machines": machines[: runs.MOST_MACHINES],
        "num_machines": len(machines),
        "machine_rows": runs.machine_rows(machines),
        "outcome_names": outcome_names,
        "outcomes": outcomes,
        "failures": failures[: runs.MOST_DETAILS],
        "num_failures": len(failures),
        "anomalies": rows.anomalies(board.anomalies),
    }


def _comparisons(board: Leaderboard) -> dict:
    """The tables beside the score."""
    return {
        "extra_columns": _extra_columns(board),
        "budgets": versus.budgets(board, TYPESET),
        "shares": [(f"{share:.0%}", share) for share in SHARES],
        "share_choices": [(f"{share:.0%}", f"{share:.0%}") for share in SHARES],
        "speedups": versus.speedups(board, TYPESET),
        "no_speedups": versus.no_speedups(board),
        "reference": None if board.reference is None else board.places[board.reference],
        "pairs": versus.pairs(board, TYPESET),
        "no_pairs": versus.no_pairs(board),
        "same": versus.same(board),
        "num_same": len(board.ranks.indistinguishable or ()),
        "num_pairs": versus.num_pairs(board),
        "in_words": words.sentences(board.pairs),
    }


def _extra_columns(board: Leaderboard) -> list[dict]:
    """Columns of the leaderboard that depend on what the logs allow to tell.

    "field": what the page's script calls cells that hold for all submissions together only.
    """
    columns = []
    if versus.can_tell(board):
        cells = [span(board.ranks.intervals[name], TYPESET) for name in board.places]
        columns.append({"name": "places", "field": "rank", "cells": cells})
    if board.speedups is not None:
        found = board.speedups.submissions
        cells = [factor(found[name].mean, TYPESET) for name in board.places]
        columns.append({"name": "speedup", "field": None, "cells": cells})
    return columns


def _places(board: Leaderboard, found: Sequence[Trace]) -> set[int]:
    """Places of the workloads that have any of the curves."""
    return {board.columns.index(curve.workload) for curve in found}
