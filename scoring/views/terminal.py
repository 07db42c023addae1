"""A leaderboard as text: rich tables for the terminal, a GitHub table for a README."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from scoring.leaderboard import Leaderboard
from scoring.views import columns, rows, terminal_details, terminal_importance, words
from scoring.views.columns import AIRY, NAME_ROOM, PLAIN, Column
from scoring.views.text import ASCII

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.padding import Padding

# What others are compared by stays longest: place, name and score.
_RANKING = (
    Column("#"),
    Column("submission", left=True, folds_to=NAME_ROOM),
    Column("score"),
    Column("95% interval", left=True, gives_way=3),
    Column("reached", gives_way=2),
    Column("studies", gives_way=1),
)
_NAME_WIDTH = 28  # of a submission in the table per workload; longer ones fold
_INDENT = 2  # of that table below the workload's name


def render(leaderboard: Leaderboard, console: Console | None = None) -> None:
    """Print the leaderboard, the table per workload, and a line per kind of anomaly."""
    # Here and not at the top: rich takes longer to import than all of scoring but numpy.
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    for part in _ranking(leaderboard, console.width):
        console.print(part)
    for line in (*rows.notes(leaderboard), *words.against(leaderboard)):
        console.print(Text(line))
    console.print()
    for part in _workloads(leaderboard, console.width):
        console.print(part)
    for found in rows.anomalies(leaderboard.anomalies):
        line = f"{found.count} x {found.kind}: {found.detail} (first: {found.path})"
        console.print(Text(line))


def render_details(leaderboard: Leaderboard, console: Console | None = None) -> None:
    """Print the views beside it: speedups, chances and places, metrics at budgets."""
    from rich.console import Console

    console = console or Console()
    for part in terminal_details.parts(leaderboard, console.width):
        console.print(part)


def render_importance(leaderboard: Leaderboard, console: Console | None = None) -> None:
    """Print what the trials say of the hyperparameters."""
    from rich.console import Console

    console = console or Console()
    for part in terminal_importance.parts(leaderboard, console.width):
        console.print(part)


def markdown(leaderboard: Leaderboard) -> str:
    """The leaderboard as a GitHub table, with one line on how it was scored below it."""
    headings = [column.heading for column in _RANKING]
    lines = [_markdown_row(headings), "| ---: | --- | ---: | --- | ---: | ---: |"]
    for place, name, *figures in _standings(leaderboard):
        # A name is a folder's name: it may hold what would end the cell or start markup.
        escaped = re.sub(r"([\\`*<>\[\]|])", r"\\\1", name)
        lines.append(_markdown_row((place, escaped, *figures)))
    how = f"{rows.title(leaderboard)}."
    return "\n".join([*lines, "", " ".join([how, *rows.notes(leaderboard)])]) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _standings(leaderboard: Leaderboard) -> list[tuple[str, ...]]:
    """Text of the columns of `_RANKING`."""
    return [
        (str(place), row.name, row.score.text, row.interval, row.reached, str(row.num_studies))
        for place, row in enumerate(rows.ranking(leaderboard, ASCII), start=1)
    ]


def _ranking(leaderboard: Leaderboard, width: int) -> Iterator[RenderableType]:
    """The leaderboard proper, one row per submission."""
    from rich.text import Text

    found = _standings(leaderboard)
    kept = columns.shown(_RANKING, found, width, AIRY)
    table = columns.table(rows.title(leaderboard), _RANKING, found, kept, AIRY)
    # Weight and not colour: it survives being pasted, and every theme.
    table.rows[0].style = "bold"
    yield table
    note = columns.no_room(columns.hidden(_RANKING, kept))
    if note:
        yield Text(note)


def _workloads(leaderboard: Leaderboard, width: int) -> Iterator[RenderableType]:
    """Per workload a heading and a row for every submission that was run on it, fastest first."""
    from rich.text import Text

    layout = (
        Column("", left=True, folds_to=NAME_ROOM),
        Column("s" if leaderboard.unit == "seconds" else "steps"),
        Column("vs best", gives_way=3),
        Column("metric", gives_way=2),
        Column("trials", left=True, folds_to=NAME_ROOM, gives_way=1),
    )
    groups = [(w, _results(w)) for w in rows.workloads(leaderboard, ASCII)]
    # One width per column over all the small tables, so that they read as one.
    every = [[column.heading for column in layout], *(row for _, group in groups for row in group)]
    room = width - _INDENT
    kept = columns.shown(layout, every, room, PLAIN)
    widths = columns.needs(layout, every)
    spare = room - sum(widths[i] for i in kept) - PLAIN.total(len(kept))
    widths[0] = min(max(len(row[0]) for row in every), widths[0] + max(spare, 0), _NAME_WIDTH)
    yield _aligned(every[:1], layout, kept, widths)
    for workload, group in groups:
        yield Text(_heading(workload), style="bold")
        if group:
            yield _aligned(group, layout, kept, widths)
        yield Text()
    note = columns.no_room(columns.hidden(layout, kept))
    if note:
        yield Text(note)


def _aligned(
    group: Iterable[Sequence[str]], layout: Sequence[Column], kept: Sequence[int], widths: list[int]
) -> Padding:
    """A table without headings; its columns have the given widths, the last one what is left."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, PLAIN.padding[1], 0, 0))
    for i in kept:
        column = layout[i]
        table.add_column(
            width=None if i == len(layout) - 1 else widths[i],
            justify="left" if column.left else "right",
            overflow="fold",
            no_wrap=not column.folds_to,
        )
    for row in group:
        table.add_row(*(Text(row[i]) for i in kept))
    return Padding(table, (0, 0, 0, _INDENT))


def _heading(workload: rows.Workload) -> str:
    """The workload with its target, and what is special about it."""
    line = f"{workload.name}: {workload.target}"
    if workload.is_held_out:
        line += " (held out: gates its base)"
    return f"{line} (in no log)" if workload.is_missing else line


def _results(workload: rows.Workload) -> list[tuple[str, ...]]:
    """Cells of the submissions that were run on it, by time to target."""
    run = sorted((r for r in workload.results if r.was_run), key=lambda r: r.seconds)
    return [(r.name, r.time.text, r.ratio, r.best, r.statuses) for r in run]
