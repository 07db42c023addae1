"""The views beside the leaderboard as text: speedups, pairs and places, metrics at budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from scoring.benchmark import Target
from scoring.leaderboard import Leaderboard
from scoring.stats.budgets import SHARES, AtBudget
from scoring.stats.speedups import LEFT_OUT
from scoring.views.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_PAIRS_WIDE = 11  # rivals side by side in the table of pairs: more do not fit 80 columns


def parts(leaderboard: Leaderboard) -> Iterator[RenderableType]:
    """Everything to print, in order."""
    from rich.text import Text

    yield from _speedups(leaderboard)
    yield from _pairs(leaderboard)
    for workload in leaderboard.workloads + leaderboard.held_out:
        cells = [cell for cell in leaderboard.at_budget if cell.workload == workload]
        if cells:
            yield _budgets(workload, leaderboard.benchmark.workloads[workload], cells)
    yield Text(
        "In brackets the place. stopped: a trial reached its target and went no further;\n"
        "a median marked >= or <= could be better for it, and places become ranges.\n"
        "ended: the best trial's log ends before the budget, its target not reached."
    )


def _speedups(leaderboard: Leaderboard) -> Iterator[RenderableType]:
    """Speedups and field-free scores, and below them what the means leave out."""
    from rich.text import Text

    name = leaderboard.benchmark.reference
    if leaderboard.speedups is None:
        what = "this benchmark names none" if name is None else f"{name!r} is not on this board"
        yield Text(f"No speedups for want of a reference: {what}; choose one by --reference.")
        return
    reference = printable(leaderboard.speedups.reference)
    total = len(leaderboard.workloads)
    rows, notes = [], []
    for entry in leaderboard.entries:
        row = leaderboard.speedups.submissions[entry.submission]
        score = None
        if leaderboard.field_free is not None:
            score = leaderboard.field_free.submissions[entry.submission]
        rows.append(
            (
                printable(entry.submission),
                "-" if row.mean is None else f"{row.mean:.2f}x",
                _interval(row.low, row.high, ".2f"),
                f"{len(row.by_workload)}/{total}",
                "-" if score is None else f"{score.score:.4f}",
                "-" if score is None else _interval(score.low, score.high, ".3f"),
            )
        )
        if row.left_out:
            notes.append(f"  {printable(entry.submission)}: {_left_out(row.left_out)}")
    headings = ("submission", "speedup", "95% interval", "over", "field-free", "95% interval")
    title = f"Speedup by {leaderboard.protocol.by} over {reference} (2 is twice as fast)"
    yield _table(f"{title}, and score against it alone", headings, rows)
    if notes:
        yield Text("\n".join(["Left out of the mean, as reached ...", *notes]))
    if leaderboard.field_free is not None and leaderboard.field_free.left_out:
        names = ", ".join(map(printable, leaderboard.field_free.left_out))
        yield Text(f"Left out of the field-free score, as {reference} was not run on it: {names}.")


def _left_out(reasons: Mapping[str, str]) -> str:
    """E.g. "by neither wmt; by the reference only ogbg"."""
    found: dict[str, list[str]] = {}
    for workload, reason in reasons.items():
        found.setdefault(LEFT_OUT[reason], []).append(printable(workload))
    return "; ".join(f"{reason} {', '.join(names)}" for reason, names in found.items())


def _pairs(leaderboard: Leaderboard) -> Iterator[RenderableType]:
    """Probability that the row's submission scores above the column's, in per cent."""
    from rich.text import Text

    ranks = leaderboard.ranks
    pairs = ranks.indistinguishable
    if pairs is None:
        yield Text("One study cannot tell who is better; run at least two.")
        return
    size = len(ranks.submissions)
    for start in range(0, size, _PAIRS_WIDE):
        columns = range(start, min(start + _PAIRS_WIDE, size))
        rows = []
        for i, name in enumerate(ranks.submissions):
            place = ranks.intervals[name]
            chances = ["-" if (p := ranks.above_SS[i, j]) != p else f"{p:.0%}" for j in columns]
            places = "?" if place is None else _place(place)
            rows.append((f"{i + 1} {printable(name)}", places, *(c.rstrip("%") for c in chances)))
        headings = ("submission", "places", *(str(j + 1) for j in columns))
        yield _table("Chance in % that the row scores above the column", headings, rows)
    names = [f"{printable(a)} / {printable(b)}" for a, b in pairs]
    total = size * (size - 1) // 2
    yield Text(f"Not distinguishable, {len(pairs)} of {total} pairs: {', '.join(names) or 'none'}.")


def _budgets(workload: str, target: Target, cells: Sequence[AtBudget]) -> Table:
    """One workload's metric at each budget, best at the full budget first."""
    sign = "<=" if target.lower_is_better else ">="
    by_name: dict[str, list[AtBudget]] = {}
    for cell in cells:
        by_name.setdefault(cell.submission, []).append(cell)
    rows = []
    for name, row in sorted(by_name.items(), key=lambda item: (item[1][-1].rank, item[0])):
        values = [
            f"{sign if c.at_least else ''}{_metric(c.metric)} ({_place(c.rank)})" for c in row
        ]
        last = row[-1]
        counts = {"stopped": last.stopped_early, "ended": last.ended_early}
        remarks = [f"{n}/{last.num_studies} {what}" for what, n in counts.items() if n]
        rows.append((printable(name), *values, ", ".join(remarks)))
    title = (
        f"{printable(workload)}: {printable(target.metric)} at parts of {target.step_hint:,} steps"
    )
    headings = ("submission", *(f"{share:.0%}" for share in SHARES), "at 100%")
    return _table(title, headings, rows)


def _metric(value: float) -> str:
    return "none" if value != value else f"{value:.4g}"


def _place(place: tuple[int, int]) -> str:
    best, worst = place
    return str(best) if best == worst else f"{best}-{worst}"


def _interval(low: float | None, high: float | None, how: str) -> str:
    return "?" if low is None or high is None else f"{low:{how}} to {high:{how}}"


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table whose first column is left-aligned and folds."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    table.title = Text(title)
    for i, heading in enumerate(headings):
        justify = "left" if i == 0 or heading == "at 100%" else "right"
        table.add_column(Text(heading), justify=justify, overflow="fold", no_wrap=0 < i < 4)
    for row in rows:
        # Text objects: a str would be parsed as markup.
        table.add_row(*map(Text, row))
    return table
