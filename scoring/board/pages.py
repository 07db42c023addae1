"""The pages of a board's site, and its feed: text made of standings and entries."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scoring.board.bridges import Bridge
from scoring.board.entries import Board, Entry
from scoring.board.levels import LEVELS
from scoring.board.standings import Line, Standings
from scoring.views.html import policy, style_of, template
from scoring.views.text import flattened, printable

FOLDER = Path(__file__).parent / "html"
FEED = "feed.xml"
BRIDGES = "bridges.json"  # beside the groups' downloads
_SHOWN_FACTS = 80  # of a machine
_IN_FEED = 100  # the newest entries
# Ids of a feed stay the same for ever, so the number below must.
_NAMESPACE = uuid.UUID("5b0a3c44-7e58-5d0c-9a6f-4a0f1a3c9d21")


@dataclass(frozen=True)
class Shown:
    """An entry as the site shows it; every text in it is a stranger's, and printable."""

    name: str
    sha256: str
    page: str
    file: str
    date: str
    level: str
    submissions: str
    benchmark: str
    ruleset: str
    hardware: str
    num_trials: int


def index(
    board: Board,
    found: Sequence[Standings],
    downloads: dict[str, list[str]],
    bridges: Sequence[Bridge] = (),
) -> str:
    """The first page; `downloads` has names of files by a group's slug."""
    newest = [shown(board, entry) for entry in reversed(board.entries)]
    settings = board.settings
    return _render(
        "index.html.j2",
        title=printable(settings.title),
        settings=settings,
        rules=[printable(rule) for rule in settings.rules],
        standings=found,
        tables={one.group.slug: _table(board, one) for one in found},
        downloads=downloads,
        bridges=[bridge.sentence() for bridge in bridges],
        bridges_file=BRIDGES,
        entries=newest,
        levels=LEVELS,
    )


def entry(board: Board, found: Sequence[Standings], one: Entry) -> str:
    """The page of an entry, for good under its hash."""
    group = next(s for s in found if one in s.group.entries)
    rows = [row for row in _table(board, group) if one in row["line"].entries]
    history = [
        {"entry": shown(board, other), "score": _score(found, other, name), "name": printable(name)}
        for name in sorted(one.submissions)
        for other in board.entries
        if other is not one and name in other.submissions
    ]
    machines = {
        printable(key): list(flattened({k: v for k, v in facts.items() if k != "key"}).items())
        for key, facts in sorted(one.machines.items())
    }
    return _render(
        "entry.html.j2",
        title=f"{one.name}: {printable(board.settings.title)}",
        board_title=printable(board.settings.title),
        one=shown(board, one),
        texts=[(printable(name), sha) for name, sha in sorted(one.submissions.items())],
        heading=group.heading,
        slug=group.group.slug,
        rows=rows,
        history=history,
        machines={key: facts[:_SHOWN_FACTS] for key, facts in machines.items()},
        level_words=LEVELS[board.remark(one).level],
    )


def feed(board: Board) -> str:
    """An Atom feed (RFC 4287) of the newest entries. Its dates are theirs, and no clock's."""
    newest = [shown(board, one) for one in reversed(board.entries)][:_IN_FEED]
    dates = [entry.date for entry in newest]
    settings = board.settings
    own = uuid.uuid5(_NAMESPACE, settings.link or settings.title)
    return template("feed.xml.j2", FOLDER).render(
        title=printable(settings.title),
        link=settings.link,
        file=FEED,
        id=own,
        updated=max(dates, default=settings.began.isoformat()),
        entries=[(one, uuid.uuid5(_NAMESPACE, one.sha256)) for one in newest],
    )


def shown(board: Board, one: Entry) -> Shown:
    """An entry as pages show it."""
    names = ", ".join(printable(name) for name in sorted(one.submissions))
    return Shown(
        name=one.name,
        sha256=one.sha256,
        page=f"entries/{one.sha256}.html",
        file=f"entries/{one.name}.zip",
        date=board.date(one).isoformat(),
        level=board.remark(one).level,
        submissions=names or "no submission",
        benchmark=one.benchmark,
        ruleset=one.ruleset,
        hardware=printable(board.hardware(one).name),
        num_trials=one.num_trials,
    )


def _table(board: Board, found: Standings) -> list[dict[str, Any]]:
    return [
        {"line": line, "name": line.standing.name, "entries": _links(board, line)}
        for line in found.lines
    ]


def _links(board: Board, line: Line) -> list[Shown]:
    return [shown(board, one) for one in reversed(line.entries)]


def _score(found: Sequence[Standings], one: Entry, name: str) -> str:
    """The score of a submission where that entry counts; "" where it carries none."""
    group = next(s for s in found if one in s.group.entries)
    line = group.line_of(name)
    return "" if line is None else f"{line.standing.score.text} (place {line.place})"


def _render(name: str, **values: Any) -> str:
    from markupsafe import Markup

    style = style_of(("style", "tables", "media")) + (FOLDER / "board.css").read_text("utf-8")
    return template(name, FOLDER).render(**values, style=Markup(style), policy=policy("", style))
