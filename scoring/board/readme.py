"""The table in a board's README, between two markers; what stands around it is the keepers'."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from scoring.board.standings import Standings
from scoring.views.text import printable

FILE = "README.md"
BEGIN, END = "<!-- board: begin -->", "<!-- board: end -->"
_HEAD = (
    "| # | submission | score | 95% interval | reached | studies | level |",
    "| ---: | --- | ---: | --- | ---: | ---: | --- |",
)


def text(folder: Path, found: Sequence[Standings]) -> str:
    """The README with a new table. Raises ValueError where the markers are not there, once each."""
    path = folder / FILE
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in before + after:
        raise ValueError(
            f"{str(path)!r} has no table: it needs the lines {BEGIN!r} and {END!r}, once each"
        )
    return f"{before}{BEGIN}\n\n{_tables(found)}\n{END}{after}"


def _tables(found: Sequence[Standings]) -> str:
    if not found:
        return "No entries yet.\n"
    return "\n".join(line for one in found for line in _table(one))


def _table(found: Standings) -> Iterable[str]:
    yield f"### {_code(found.heading)}"
    yield ""
    yield from _HEAD
    for line in found.lines:
        own = line.standing
        cells = (own.score.text, own.interval, own.reached, str(own.num_studies), line.level)
        yield f"| {line.place} | {_code(line.submission)} | {' | '.join(cells)} |"
    yield ""


def _code(name: str) -> str:
    """A stranger's text as code, in which GitHub makes no link, no mention and no markup of it."""
    # Within a table a bar ends the cell even in code, unless it is escaped.
    shown = printable(name).replace("`", "'").replace("\\", "/").replace("|", "\\|").strip()
    return f"`{shown or '?'}`"
