"""The views beside the leaderboard as text: speedups, pairs and places, metrics at budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from scoring.leaderboard import Leaderboard
from scoring.stats.budgets import SHARES
from scoring.views import columns, versus, words
from scoring.views.columns import NAME_ROOM, TIGHT, Column
from scoring.views.text import ASCII, printable
from scoring.views.versus import Budgets, PairRow

if TYPE_CHECKING:
    from rich.console import RenderableType

_NAME = Column("submission", left=True, folds_to=NAME_ROOM)
_SPEEDUPS = (
    _NAME,
    Column("speedup"),
    Column("95% interval", gives_way=2),
    Column("over", gives_way=3),
    Column("field-free", gives_way=4),
    Column("95% interval", gives_way=1),
)
# The whole budget is what the others lead to, so it stays.
_BUDGETS = (
    _NAME,
    *(
        Column(f"{share:.0%}", gives_way=0 if share == SHARES[-1] else 2 + i)
        for i, share in enumerate(SHARES)
    ),
    Column("at 100%", left=True, folds_to=len("5/5 stopped"), gives_way=1),
)
_MOST_RIVALS = 11  # side by side in the table of pairs: wider ones are hard to follow


def parts(leaderboard: Leaderboard, width: int) -> Iterator[RenderableType]:
    """All parts to print in so many characters a line, in order."""
    from rich.text import Text

    yield from _speedups(leaderboard, width)
    yield from _pairs(leaderboard, width)
    yield from _budgets(leaderboard, width)
    yield Text(
        "In brackets the place. stopped: a trial reached its target and went no further; "
        "a median marked >= or <= could be better for it, and places become ranges. "
        "ended: the best trial's log ends before the budget, its target not reached."
    )


def _speedups(leaderboard: Leaderboard, width: int) -> Iterator[RenderableType]:
    """Speedups and scores against the reference, and below them what the means leave out."""
    from rich.text import Text

    if leaderboard.speedups is None:
        yield Text(versus.no_speedups(leaderboard))
        return
    found = versus.speedups(leaderboard, ASCII)
    reference = printable(leaderboard.speedups.reference)
    cells = [
        (r.name, r.mean.text, r.interval, r.over, r.score.text, r.score_interval) for r in found
    ]
    title = f"Speedup by {leaderboard.protocol.by} over {reference} (2 is twice as fast)"
    kept = columns.shown(_SPEEDUPS, cells, width, TIGHT)
    yield columns.table(f"{title}, and score against it alone", _SPEEDUPS, cells, kept, TIGHT)
    note = columns.no_room(columns.hidden(_SPEEDUPS, kept))
    if note:
        yield Text(note)
    notes = [f"  {row.name}: {row.left_out}" for row in found if row.left_out]
    if notes:
        yield Text("\n".join(["Left out of the mean, as reached ...", *notes]))
    alone = leaderboard.reference_scores
    if alone is not None and alone.left_out:
        names = ", ".join(map(printable, alone.left_out))
        yield Text(f"Left out of the field-free score, as {reference} was not run on it: {names}.")


def _pairs(leaderboard: Leaderboard, width: int) -> Iterator[RenderableType]:
    """Probability that the row's submission scores above the column's, in per cent."""
    from rich.text import Text

    rows = versus.pairs(leaderboard, ASCII)
    if not rows:
        yield Text(versus.no_pairs(leaderboard))
        return
    # No column may give way here, as each is somebody: the table goes on below instead.
    wide = _rivals_wide(rows, width)
    for start in range(0, len(rows), wide):
        rivals = range(start, min(start + wide, len(rows)))
        layout = (_NAME, Column("places"), *(Column(str(j + 1)) for j in rivals))
        cells = [
            (f"{i} {row.name}", row.places, *(row.chances[j].text for j in rivals))
            for i, row in enumerate(rows, start=1)
        ]
        title = "Chance in % that the row scores above the column"
        yield columns.table(title, layout, cells, range(len(layout)), TIGHT)
    same = versus.same(leaderboard)
    num, total = len(leaderboard.ranks.indistinguishable or ()), versus.num_pairs(leaderboard)
    yield Text(f"Not distinguishable, {num} of {total} pairs: {'; '.join(same) or 'none'}.")
    yield Text("\n".join(["In words:", *(f"  {line}" for line in words.neighbours(leaderboard))]))


def _rivals_wide(rows: Sequence[PairRow], width: int) -> int:
    """The number of rivals that fit side by side; the rest go into further tables."""
    places = max(len("places"), *(len(row.places) for row in rows))
    room = width - NAME_ROOM - places - TIGHT.total(2)
    each = len("100") + TIGHT.total(1) - TIGHT.total(0)
    return min(max(room // each, 1), _MOST_RIVALS)


def _budgets(leaderboard: Leaderboard, width: int) -> Iterator[RenderableType]:
    """A table per workload."""
    from rich.text import Text

    hidden = []
    for found in versus.budgets(leaderboard, ASCII):
        cells = _budget_cells(found)
        kept = columns.shown(_BUDGETS, cells, width, TIGHT)
        hidden += columns.hidden(_BUDGETS, kept)
        title = f"{found.workload}: {found.metric} at parts of {found.step_hint:,} steps"
        yield columns.table(title, _BUDGETS, cells, kept, TIGHT)
    note = columns.no_room(hidden)  # once, not below each of the tables
    if note:
        yield Text(note)


def _budget_cells(table: Budgets) -> list[tuple[str, ...]]:
    """Rows of the submissions that were run, best at the whole budget first."""
    run = [row for row in table.rows if row.last is not None]
    run.sort(key=lambda row: (row.last.rank, row.last.submission))
    return [
        (row.name, *(f"{c.metric.text} ({c.place})" for c in row.cells), row.remarks) for row in run
    ]
