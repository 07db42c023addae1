"""Importance of hyperparameters as text: a table for each submission, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scoring.leaderboard import Leaderboard
from scoring.views import columns, importance
from scoring.views.columns import NAME_ROOM, TIGHT, Column
from scoring.views.text import ASCII

if TYPE_CHECKING:
    from rich.console import RenderableType

_LAYOUT = (
    Column("hyperparameter", left=True, folds_to=NAME_ROOM),
    Column("values", left=True, gives_way=2),
    Column("trend", gives_way=5),
    Column("95% interval", gives_way=3),
    Column("peak", gives_way=4),
    Column("95% interval", gives_way=1),
    Column("better", left=True),
)
EXPLAINED = (
    "trend, peak: Spearman's rho of how good a trial is with the value, and with its nearness to "
    "the middle of the values tried; +1: the larger (the nearer) the better. Intervals of a table "
    "hold all together with 95%."
)


def parts(leaderboard: Leaderboard, width: int) -> Iterator[RenderableType]:
    """All parts to print in so many characters a line, in order."""
    from rich.padding import Padding
    from rich.text import Text

    nothing = importance.nothing(leaderboard)
    if nothing is not None:
        yield Text(nothing)
        return
    by_name = {found.submission: found for found in leaderboard.importance}
    for name in leaderboard.places:
        found = by_name[name]
        cells = [
            (
                r.name,
                r.values,
                r.trend.text,
                r.trend_interval,
                r.peak.text,
                r.peak_interval,
                r.better,
            )
            for r in importance.rows(found, ASCII)
        ]
        if cells:
            kept = columns.shown(_LAYOUT, cells, width, TIGHT)
            yield columns.table(importance.title(found), _LAYOUT, cells, kept, TIGHT)
            note = columns.no_room(columns.hidden(_LAYOUT, kept))
            if note:
                yield Text(note)
        else:
            yield Text(importance.title(found))
        yield Padding(Text("\n".join(importance.sentences(found))), (0, 0, 0, 2))
        yield Text()
    yield Text(EXPLAINED)
