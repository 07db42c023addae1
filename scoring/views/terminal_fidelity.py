"""The comparison of two boards as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING

from scoring.stats.fidelity import Fidelity
from scoring.views import columns, fidelity
from scoring.views.columns import NAME_ROOM, TIGHT, Column
from scoring.views.text import ASCII

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_POINTS = (
    Column("submission", left=True, folds_to=NAME_ROOM),
    Column("A"),
    Column("95% interval", left=True, gives_way=1),
    Column("B"),
    Column("95% interval", left=True, gives_way=2),
)
_AGREEMENTS = (
    Column("A by", left=True, folds_to=len("published")),
    Column("B by", left=True, folds_to=len("published")),
    Column("tau"),
    Column("over studies", left=True, gives_way=4),
    Column("over workloads", left=True, gives_way=3),
    Column("rho", gives_way=1),
    Column("pairs"),
    Column("as B", gives_way=2),
)
_WORKLOADS = (
    Column("workload", left=True, folds_to=NAME_ROOM),
    Column("tau"),
    Column("over studies", left=True, gives_way=2),
    Column("pairs", gives_way=3),
    Column("adds"),
    Column("over studies", left=True, gives_way=1),
)


def render(found: Fidelity, console: Console | None = None) -> None:
    """Print what is compared, three tables, and the answers to two questions."""
    # Here and not at the top: rich takes longer to import than all of scoring but numpy.
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    for line in fidelity.heading(found):
        console.print(Text(line))
    for part in _tables(found, console.width):
        console.print(part)
    for line in fidelity.notes(found):
        console.print(Text(line))
    console.print()
    for question, answer in zip(fidelity.QUESTIONS, fidelity.answers(found), strict=True):
        console.print(Text.assemble((question, "bold"), " ", answer))


def _tables(found: Fidelity, width: int) -> Iterator[RenderableType]:
    points, every = fidelity.points(found, ASCII), fidelity.agreements(found, ASCII)
    yield from _table("Scores on both boards", _POINTS, points, width)
    title = "Agreement (pairs: alike of those both can tell apart; as B: of those B can)"
    yield from _table(title, _AGREEMENTS, every, width)
    workloads = fidelity.workloads(found, ASCII)
    if workloads:
        title = "Workloads: the agreement on each alone, and what it adds to tau"
        yield from _table(title, _WORKLOADS, workloads, width)


def _table(
    title: str, layout: Sequence[Column], rows: Sequence[object], width: int
) -> Iterator[RenderableType]:
    from rich.text import Text

    cells = [astuple(row) for row in rows]
    kept = columns.shown(layout, cells, width, TIGHT)
    yield columns.table(title, layout, cells, kept, TIGHT)
    note = columns.no_room(columns.hidden(layout, kept))
    if note:
        yield Text(note)
