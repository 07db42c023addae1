"""Tables that fit the terminal: where it is narrow, columns give way before names do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

# A name that folds is read down to so many characters a line.
NAME_ROOM = 16


@dataclass(frozen=True)
class Column:
    """A column of a table for the terminal."""

    heading: str
    left: bool = False
    folds_to: int = 0  # the fewest characters a line that it is still read at; 0: it never folds
    gives_way: int = 0  # before those with larger numbers; 0: never


@dataclass(frozen=True)
class Spacing:
    """The room that a table takes beside its text, in characters."""

    padding: tuple[int, int]  # before and after the text of each column
    box: bool = True

    def total(self, num_columns: int) -> int:
        """Over all columns; a box has an edge on each side and a gap between columns."""
        return num_columns * sum(self.padding) + (num_columns + 1 if self.box else 0)


AIRY, TIGHT, PLAIN = Spacing((1, 1)), Spacing((0, 1)), Spacing((0, 2), box=False)
Rows = Sequence[Sequence[str]]


def shown(columns: Sequence[Column], rows: Rows, width: int, spacing: Spacing) -> list[int]:
    """Indices of the columns that have room in `width` characters, in their order."""
    needed = needs(columns, rows)
    kept = list(range(len(columns)))
    for i in sorted((i for i in kept if columns[i].gives_way), key=lambda i: columns[i].gives_way):
        if sum(needed[k] for k in kept) + spacing.total(len(kept)) <= width:
            break
        kept.remove(i)
    return kept


def needs(columns: Sequence[Column], rows: Rows) -> list[int]:
    """The fewest characters that each column can be set in."""
    longest = [
        max(len(text) for text in (column.heading, *(row[i] for row in rows)))
        for i, column in enumerate(columns)
    ]
    return [
        min(num, column.folds_to) if column.folds_to else num
        for num, column in zip(longest, columns, strict=True)
    ]


def no_room(headings: Iterable[str]) -> str | None:
    """The sentence about columns that are not shown, None where all are."""
    names = ", ".join(dict.fromkeys(headings))
    return f"No room at this width for: {names}; a wider terminal shows them." if names else None


def hidden(columns: Sequence[Column], kept: Sequence[int]) -> list[str]:
    """Headings of the columns that are not in `kept`."""
    return [column.heading for i, column in enumerate(columns) if i not in kept]


def table(
    title: str, columns: Sequence[Column], rows: Rows, kept: Sequence[int], spacing: Spacing
) -> Table:
    """The columns in `kept` as a table with a title and a line below its headings."""
    # Here and not at the top: rich takes longer to import than all of scoring but numpy.
    from rich import box
    from rich.table import Table
    from rich.text import Text

    before, after = spacing.padding
    found = Table(box=box.SIMPLE_HEAD, title_justify="left", padding=(0, after, 0, before))
    found.title = Text(title)
    for i in kept:
        column = columns[i]
        # Names fold rather than end in an ellipsis: two may differ only in their last letters.
        found.add_column(
            Text(column.heading),
            justify="left" if column.left else "right",
            overflow="fold",
            no_wrap=not column.folds_to,
        )
    for row in rows:
        # Text objects throughout: a str would be parsed, and [bold] is a legal folder name.
        found.add_row(*(Text(row[i]) for i in kept))
    return found
