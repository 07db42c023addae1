"""Rows of the comparisons beside the score: speedups, chances and places, metrics at budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scoring.leaderboard import Leaderboard
from scoring.stats.budgets import SHARES, AtBudget
from scoring.stats.speedups import LEFT_OUT
from scoring.views.text import Cell, Signs, cell, factor, fixed, interval, per_cent, printable, span


@dataclass(frozen=True)
class SpeedupRow:
    """One submission against the reference."""

    name: str
    mean: Cell
    interval: str
    over: str  # base workloads that the mean is of, e.g. "3/4"
    score: Cell  # against the reference alone
    score_interval: str
    by_workload: tuple[Cell, ...]  # base workloads; the reason where it does not compare
    left_out: str  # the same reasons as one line


@dataclass(frozen=True)
class PairRow:
    """Chances in per cent that a submission scores above each of the others."""

    name: str
    places: str
    chances: tuple[Cell, ...]


@dataclass(frozen=True)
class BudgetCell:
    """A submission's metric at one share of the step budget, and the place that it earns."""

    metric: Cell
    place: str
    heat: str  # from 0 for the last to 1 for the first


@dataclass(frozen=True)
class BudgetRow:
    """One submission at every share; `last` is what it is sorted by."""

    name: str
    cells: tuple[BudgetCell, ...]
    remarks: str  # on logs that end before the whole budget
    last: AtBudget | None  # None: it was not run


@dataclass(frozen=True)
class Budgets:
    """One workload's metric at each share; rows are of all submissions, in the board's order."""

    workload: str
    place: int  # of the workload among the board's columns, from 0
    metric: str
    step_hint: int
    is_held_out: bool
    rows: tuple[BudgetRow, ...]

    def steps(self, share: float) -> int:
        """Steps of a share of the budget."""
        return round(share * self.step_hint)

    @property
    def num_run(self) -> int:
        """The number of submissions that were run on it."""
        return sum(row.last is not None for row in self.rows)


def speedups(board: Leaderboard, signs: Signs) -> list[SpeedupRow]:
    """Speedup over the reference and score against it alone; empty without a reference."""
    if board.speedups is None:
        return []
    rows = []
    for submission in board.places:
        row = board.speedups.submissions[submission]
        alone = board.reference_scores
        score = None if alone is None else alone.submissions[submission]
        rows.append(
            SpeedupRow(
                name=printable(submission),
                mean=cell(row.mean, factor(row.mean, signs)),
                interval=interval(row.low, row.high, 2),
                over=f"{len(row.by_workload)}/{len(board.workloads)}",
                score=cell(score and score.score, fixed(score and score.score, 4, signs)),
                score_interval=interval(score.low, score.high, 3) if score else signs.none,
                by_workload=tuple(
                    cell(row.by_workload[name], factor(row.by_workload[name], signs))
                    if name in row.by_workload
                    else Cell(LEFT_OUT[row.left_out[name]])
                    for name in board.workloads
                ),
                left_out=_left_out(row.left_out),
            )
        )
    return rows


def _left_out(reasons: Mapping[str, str]) -> str:
    """E.g. "by neither wmt; by the reference only ogbg"."""
    found: dict[str, list[str]] = {}
    for workload, reason in reasons.items():
        found.setdefault(LEFT_OUT[reason], []).append(printable(workload))
    return "; ".join(f"{reason} {', '.join(names)}" for reason, names in found.items())


def no_speedups(board: Leaderboard) -> str:
    """The reason why there is no reference, and how to name one."""
    name = board.benchmark.reference
    what = "this benchmark names none" if name is None else f"{name!r} is not on this board"
    return f"No speedups for want of a reference: {what}; choose one by --reference."


def pairs(board: Leaderboard, signs: Signs) -> list[PairRow]:
    """Chance that the row's submission scores above each column's; empty where none can be told."""
    ranks = board.ranks
    if not can_tell(board):
        return []
    return [
        PairRow(
            name=printable(name),
            places=span(ranks.intervals[name], signs),
            chances=tuple(cell(c, per_cent(c, signs)) for c in ranks.above_SS[i].tolist()),
        )
        for i, name in enumerate(ranks.submissions)
    ]


def can_tell(board: Leaderboard) -> bool:
    """Whether there are two submissions, and any pair that studies can tell apart or not."""
    return len(board.rows) > 1 and board.ranks.indistinguishable is not None


def no_pairs(board: Leaderboard) -> str:
    """The reason why no pair can be told."""
    if len(board.rows) < 2:
        return "One submission alone: there is nobody to compare it with."
    return "One study cannot tell who is better; run at least two."


def same(board: Leaderboard) -> list[str]:
    """Pairs that cannot be told apart, each once, by their first: "a from b, c"."""
    found: dict[str, list[str]] = {}
    for a, b in board.ranks.indistinguishable or ():
        found.setdefault(a, []).append(printable(b))
    return [f"{printable(a)} from {', '.join(others)}" for a, others in found.items()]


def num_pairs(board: Leaderboard) -> int:
    """The number of pairs of submissions."""
    return len(board.rows) * (len(board.rows) - 1) // 2


def budgets(board: Leaderboard, signs: Signs) -> list[Budgets]:
    """The workloads that anybody was run on."""
    # Cells of one submission on one workload come in the order of the shares.
    found: dict[tuple[str, str], list[AtBudget]] = {}
    for at in board.at_budget:
        found.setdefault((at.workload, at.submission), []).append(at)
    tables = []
    for place, workload in enumerate(board.columns):
        target = board.benchmark.workloads[workload]
        of = [(name, found.get((workload, name))) for name in board.places]
        num = sum(row is not None for _, row in of)
        sign = signs.at_most if target.lower_is_better else signs.at_least
        if num:
            tables.append(
                Budgets(
                    workload=printable(workload),
                    place=place,
                    metric=printable(target.metric),
                    step_hint=target.step_hint,
                    is_held_out=workload in board.held_out,
                    rows=tuple(_budget_row(name, row, num, sign, signs) for name, row in of),
                )
            )
    return tables


def _budget_row(
    name: str, row: list[AtBudget] | None, num: int, sign: str, signs: Signs
) -> BudgetRow:
    """One submission on a workload that `num` submissions were run on."""
    if row is None:
        unknown = BudgetCell(Cell("not run"), place="", heat="")
        return BudgetRow(printable(name), (unknown,) * len(SHARES), remarks="", last=None)
    last = row[-1]
    counts = {"stopped": last.stopped_early, "ended": last.ended_early}
    return BudgetRow(
        name=printable(name),
        cells=tuple(_budget_cell(at, num, sign, signs) for at in row),
        remarks=", ".join(f"{n}/{last.num_studies} {what}" for what, n in counts.items() if n),
        last=last,
    )


def _budget_cell(at: AtBudget, num: int, sign: str, signs: Signs) -> BudgetCell:
    """The metric, with a sign where an early stop leaves it open."""
    place = span(at.rank, signs)
    if at.metric != at.metric:
        return BudgetCell(Cell("none"), place, heat="")
    # The middle of the places that it may have; a submission alone is the first.
    heat = 1 - (sum(at.rank) / 2 - 1) / max(num - 1, 1)
    text = f"{sign if at.at_least else ''}{at.metric:.4g}"
    return BudgetCell(cell(at.metric, text), place, f"{heat:.3f}")
