"""The JSON block of a page: numbers that its figures are drawn and its scores recomputed from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scoring.leaderboard import Leaderboard
from scoring.protocol import UNITS
from scoring.stats import anytime
from scoring.stats.profile import GATE_FACTOR, TAU_MAX
from scoring.views import bands
from scoring.views.html import diagnostics, populations
from scoring.views.html.diagnostics import Inside
from scoring.views.html.populations import Population
from scoring.views.runs import Spent, accounts
from scoring.views.series import Trace, rounded
from scoring.views.text import printable


def page_data(
    board: Leaderboard,
    learning: Sequence[Trace],
    rates: Sequence[Trace],
    spent: Sequence[Spent],
    evolved: Sequence[Population],
    looked_at: Sequence[Inside],
) -> dict:
    """Plain JSON values; null for infinity and NaN. Submissions go by their place on the board."""
    return {
        **_score_inputs(board),
        "curves": _by_workload(board, learning),
        "anytime": {unit: _anytime(board, by) for by, unit in UNITS.items()},
        "learningRates": _by_workload(board, rates),
        "populations": [populations.to_json(population) for population in evolved],
        "diagnostics": [diagnostics.to_json(inside) for inside in looked_at],
        "speedups": _speedups(board),
        "ledger": _ledger(board, spent),
    }


def _score_inputs(board: Leaderboard) -> dict:
    """The inputs of the scores, as the page computes them anew. These numbers keep all digits."""
    columns = board.columns
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
        "submissions": [printable(row.submission) for row in board.rows],
        "workloads": [printable(name) for name in columns],
        "bases": list(range(len(board.workloads))),
        "pairs": [
            [columns.index(variant), columns.index(benchmark.base_of(variant))]
            for variant in board.held_out
            if benchmark.base_of(variant) in columns
        ],
        "targets": [_target(board, name) for name in columns],
        # Before the gates, which depend on who is shown: the page applies them anew.
        "times": [[finite(row.time_to_target.get(name)) for name in columns] for row in board.rows],
        "logged": [[name in row.statuses for name in columns] for row in board.rows],
        "intervals": [[row.low, row.high] for row in board.rows],
    }


def _target(board: Leaderboard, workload: str) -> dict:
    target = board.benchmark.workloads[workload]
    lower = target.lower_is_better
    return {"metric": printable(target.metric), "value": target.value, "lower": lower}


def _by_workload(board: Leaderboard, traces: Sequence[Trace]) -> list[list[dict]]:
    """Traces of each workload, in the order of the board's workloads."""
    places = board.places
    return [
        [trace.to_json(places[trace.submission]) for trace in traces if trace.workload == name]
        for name in board.columns
    ]


def _anytime(board: Leaderboard, by: str) -> list[list[dict]]:
    """Best so far of each workload, by seconds or by steps."""
    places = board.places
    return [
        [
            _corners(curve, places[curve.submission])
            for curve in anytime.anytime(board.trials, name, board.benchmark.workloads[name], by)
        ]
        for name in board.columns
    ]


def _corners(curve: anytime.Curve, place: int) -> dict:
    """A curve without the points that repeat the one before: it is drawn as steps."""
    band = bands.of_curve(curve)
    values_3G = np.stack([band.middle_G, band.low_G, band.high_G])
    before, after = values_3G[:, :-1], values_3G[:, 1:]
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    kept = np.append(True, ~same.all(axis=0))
    kept[-1] = True  # a step without a corner still lasts until the log ends
    x, middle, worst, best = (v[kept] for v in (band.x_G, *values_3G))
    names = {"x": x, "middle": middle, "worst": worst, "best": best}
    return {"submission": place} | {k: [rounded(v) for v in row] for k, row in names.items()}


def _speedups(board: Leaderboard) -> dict | None:
    """Mean, interval and speedups by workload of every submission."""
    if board.speedups is None:
        return None
    rows = [board.speedups.submissions[row.submission] for row in board.rows]
    return {
        "reference": board.places[board.speedups.reference],
        "rows": [
            {
                "mean": row.mean,
                "low": row.low,
                "high": row.high,
                "workloads": {
                    board.workloads.index(name): rounded(value)
                    for name, value in row.by_workload.items()
                },
            }
            for row in rows
        ],
    }


def _ledger(board: Leaderboard, spent: Sequence[Spent]) -> dict:
    """Accounts and, per submission and workload, seconds in each."""
    places = board.places
    columns = board.columns
    # Lists in one order rather than objects: names once, not in every row.
    names = accounts(spent)
    return {
        "accounts": names,
        "rows": [
            {
                "submission": places[group.submission],
                "workload": columns.index(group.workload),
                "seconds": [rounded(group.seconds.get(name, 0.0)) for name in names],
                "wall": rounded(group.wall),
            }
            for group in spent
        ],
    }


def finite(value: float | None) -> float | None:
    """The number as it is, None where JSON has no word for it."""
    return value if value is not None and math.isfinite(value) else None
