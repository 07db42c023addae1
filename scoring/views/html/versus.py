"""Rows of the views beside the leaderboard: speedups, chances and places, metrics at budgets."""

from __future__ import annotations

from collections.abc import Sequence

from scoring.leaderboard import Leaderboard
from scoring.stats.budgets import SHARES, AtBudget
from scoring.stats.speedups import LEFT_OUT
from scoring.views.text import fixed, number, printable


def extra_columns(board: Leaderboard) -> list[dict]:
    """Columns of the leaderboard that depend on what the logs allow to tell."""
    columns = []
    if _can_tell(board):
        places = [board.ranks.intervals[entry.submission] for entry in board.entries]
        cells = ["?" if place is None else _place(place) for place in places]
        columns.append({"name": "places", "field": "rank", "cells": cells})
    if board.speedups is not None:
        rows = board.speedups.submissions
        cells = [_times(rows[entry.submission].mean) for entry in board.entries]
        columns.append({"name": "speedup", "field": None, "cells": cells})
    return columns


def speedups(board: Leaderboard) -> list[dict]:
    """Speedup over the reference and field-free score, one row per submission."""
    if board.speedups is None:
        return []
    rows = []
    for entry in board.entries:
        row = board.speedups.submissions[entry.submission]
        free = board.field_free.submissions[entry.submission] if board.field_free else None
        rows.append(
            {
                "mean": number(row.mean, _times(row.mean)),
                "interval": _interval(row.low, row.high, 2),
                "over": f"{len(row.by_workload)}/{len(board.workloads)}",
                "score": number(free.score, fixed(free.score, 4)) if free else number(None, "–"),
                "score_interval": _interval(free.low, free.high, 3) if free else "–",
                "by_workload": [
                    number(row.by_workload[name], _times(row.by_workload[name]))
                    if name in row.by_workload
                    else number(None, LEFT_OUT[row.left_out[name]])
                    for name in board.workloads
                ],
            }
        )
    return rows


def no_speedups(board: Leaderboard) -> str:
    """Why there is nothing to compare with."""
    name = board.benchmark.reference
    what = "the benchmark names none" if name is None else f"{printable(name)} is not on this board"
    return f"No reference submission: {what}. Choose one with --reference."


def pairs(board: Leaderboard) -> list[dict]:
    """Chance that the row's submission scores above the column's; empty where none can be told."""
    ranks = board.ranks
    if not _can_tell(board):
        return []
    return [
        {
            "places": "?" if (place := ranks.intervals[name]) is None else _place(place),
            "cells": [
                number(chance, "" if chance != chance else _per_cent(chance))
                for chance in ranks.above_SS[i].tolist()
            ],
        }
        for i, name in enumerate(ranks.submissions)
    ]


def no_pairs(board: Leaderboard) -> str:
    """Why no pair can be told."""
    if len(board.entries) < 2:
        return "One submission alone: there is nobody to compare it with."
    return "One study cannot tell who is better: run at least two."


def _can_tell(board: Leaderboard) -> bool:
    return len(board.entries) > 1 and board.ranks.indistinguishable is not None


def same(board: Leaderboard) -> list[str]:
    """Who cannot be told from whom, each pair once: "a from b, c"."""
    found: dict[str, list[str]] = {}
    for a, b in board.ranks.indistinguishable or ():
        found.setdefault(a, []).append(printable(b))
    return [f"{printable(a)} from {', '.join(others)}" for a, others in found.items()]


def budgets(board: Leaderboard) -> list[dict]:
    """One row per workload and share of its step budget, one cell per submission."""
    cells = {(c.workload, c.share, c.submission): c for c in board.at_budget}
    rows = []
    for place, name in enumerate(board.workloads + board.held_out):
        target = board.benchmark.workloads[name]
        for share in SHARES:
            row = [cells.get((name, share, entry.submission)) for entry in board.entries]
            if any(row):
                what = f"{printable(target.metric)} at {round(share * target.step_hint):,} steps"
                rows.append(
                    {
                        "workload": place,
                        "share": f"{share:.0%}",
                        "name": printable(name),
                        "held_out": name in board.held_out,
                        "what": what,
                        "cells": [_budget(cell, row, target.lower_is_better) for cell in row],
                    }
                )
    return rows


def shares() -> list[tuple[str, str]]:
    """The shares of the budget as (value, label) of a choice."""
    return [(f"{share:.0%}", f"{share:.0%}") for share in SHARES]


def _budget(cell: AtBudget | None, row: Sequence[AtBudget | None], lower: bool) -> dict:
    """The metric and the place, with a sign where an early stop leaves it open."""
    if cell is None:
        return {**number(None, "not run"), "place": "", "heat": ""}
    if cell.metric != cell.metric:
        return {**number(None, "none"), "place": "", "heat": ""}
    sign = ("≤ " if lower else "≥ ") if cell.at_least else ""
    num = sum(other is not None for other in row)
    heat = 1 - (sum(cell.rank) / 2 - 1) / max(num - 1, 1)
    return {
        **number(cell.metric, f"{sign}{cell.metric:.4g}"),
        "place": f"{_place(cell.rank)} of {num}",
        "heat": f"{heat:.3f}",
    }


def _per_cent(chance: float) -> str:
    """A chance in whole per cent that says 100 only for certain."""
    if 0 < chance < 0.005:
        return "<1"
    return ">99" if 0.995 <= chance < 1 else f"{100 * chance:.0f}"


def _place(place: tuple[int, int]) -> str:
    best, worst = place
    return str(best) if best == worst else f"{best}–{worst}"


def _times(factor: float | None) -> str:
    return "–" if factor is None else f"{factor:.2f}×"


def _interval(low: float | None, high: float | None, digits: int) -> str:
    return "–" if low is None or high is None else f"{low:.{digits}f} to {high:.{digits}f}"
