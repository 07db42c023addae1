"""The JSON block of a report: what its figures are drawn and its scores recomputed from."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scoring.leaderboard import Leaderboard
from scoring.profile import GATE_FACTOR, TAU_MAX
from scoring.report.curves import Curve
from scoring.report.runs import Spent, accounts
from scoring.report.thinning import rounded
from scoring.table import printable


def page_data(
    board: Leaderboard, curves: Sequence[Curve], rates: Sequence[Curve], spent: Sequence[Spent]
) -> dict:
    """Plain JSON values; null for infinity and NaN. Submissions go by their place on the board."""
    return {
        **_field(board),
        "curves": _by_workload(board, curves),
        "learningRates": _by_workload(board, rates),
        "ledger": _ledger(board, spent),
    }


def _field(board: Leaderboard) -> dict:
    """Everything a score is made of. These numbers keep all their digits."""
    columns = board.workloads + board.held_out
    benchmark = board.benchmark
    return {
        "benchmark": printable(benchmark.name),
        "mode": board.protocol.mode,
        "by": board.protocol.by,
        "unit": board.unit,
        "onlyPresent": board.protocol.only_present,
        "tauMax": TAU_MAX,
        "gateFactor": GATE_FACTOR,
        "tau": board.tau.tolist(),
        "submissions": [printable(entry.submission) for entry in board.entries],
        "workloads": [printable(name) for name in columns],
        "bases": list(range(len(board.workloads))),
        "pairs": [
            [columns.index(variant), columns.index(benchmark.base_of(variant))]
            for variant in board.held_out
            if benchmark.base_of(variant) in columns
        ],
        "targets": [
            {
                "metric": printable(benchmark.workloads[name].metric),
                "value": benchmark.workloads[name].value,
                "lower": benchmark.workloads[name].lower_is_better,
            }
            for name in columns
        ],
        "times": [
            [finite(entry.time_to_target.get(name)) for name in columns] for entry in board.entries
        ],
        "logged": [[name in entry.statuses for name in columns] for entry in board.entries],
        "intervals": [[entry.low, entry.high] for entry in board.entries],
    }


def _by_workload(board: Leaderboard, curves: Sequence[Curve]) -> list[list[dict]]:
    """Curves of each workload, in the order of the board's workloads."""
    places = {entry.submission: i for i, entry in enumerate(board.entries)}
    return [
        [curve.to_json(places[curve.submission]) for curve in curves if curve.workload == name]
        for name in board.workloads + board.held_out
    ]


def _ledger(board: Leaderboard, spent: Sequence[Spent]) -> dict:
    """Accounts and, per submission and workload, seconds in each."""
    places = {entry.submission: i for i, entry in enumerate(board.entries)}
    columns = board.workloads + board.held_out
    names = accounts(spent)
    return {
        "accounts": names,
        "rows": [
            {
                "submission": places[entry.submission],
                "workload": columns.index(entry.workload),
                "trials": entry.num_trials,
                "seconds": [rounded(entry.seconds.get(name, 0.0)) for name in names],
                "wall": rounded(entry.wall),
            }
            for entry in spent
        ],
    }


def finite(value: float | None) -> float | None:
    """The number as it is, None where JSON has no word for it."""
    return value if value is not None and math.isfinite(value) else None
