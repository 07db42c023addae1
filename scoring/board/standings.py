"""The standings of a group as text: what its table shows on the site and in the README."""

from __future__ import annotations

from dataclasses import dataclass

from scoring.board import groups
from scoring.board.entries import Board, Entry
from scoring.board.groups import Group
from scoring.board.levels import LEVELS
from scoring.leaderboard import Leaderboard
from scoring.views import rows
from scoring.views.rows import Standing
from scoring.views.text import TYPESET, Signs, printable


@dataclass(frozen=True)
class Line:
    """A row of a group's leaderboard.

    Attributes:
      place: from 1.
      level: the least of the entries that it is made of.
      entries: those, by date.
    """

    place: int
    submission: str
    standing: Standing
    level: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Standings:
    """A group with the rows of its leaderboard.

    Attributes:
      heading: its benchmark, ruleset and hardware, as text.
      notes: sentences that a reader must know.
    """

    group: Group
    heading: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    def line_of(self, submission: str) -> Line | None:
        """The row of a submission; None where its trials carry no score."""
        return next((line for line in self.lines if line.submission == submission), None)


def of(board: Board, group: Group, found: Leaderboard, signs: Signs = TYPESET) -> Standings:
    """The standings of a group whose leaderboard has been computed."""
    lines = []
    ranking = rows.ranking(found, signs)
    for place, (row, standing) in enumerate(zip(found.rows, ranking, strict=True), start=1):
        own = groups.members(group, row.submission)
        # No result is better confirmed than the worst of what it is made of.
        level = min((board.remark(entry).level for entry in own), default=min(LEVELS))
        lines.append(Line(place, row.submission, standing, level, own))
    heading = f"{group.benchmark}, {group.ruleset} ruleset: {printable(group.hardware.name)}"
    return Standings(group, heading, tuple(lines), tuple(rows.notes(found)))


def every(board: Board) -> tuple[Standings, ...]:
    """The standings of all groups, for a README."""
    found = []
    for group in groups.of(board):
        with groups.opened(group) as (leaderboard, _):
            found.append(of(board, group, leaderboard))
    return tuple(found)
