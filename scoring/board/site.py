"""The site of a board: a folder of files that needs no server, no network and no script of ours
but the report's."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scoring.board import bridges, downloads, entries, groups, pages, standings
from scoring.board.entries import Board
from scoring.board.standings import Standings

MARKER = ".algoperf_lite_site.json"  # lists the files of a site that may be replaced


@dataclass(frozen=True)
class Site:
    """A site that was built: its folder, and how many entries and files it has."""

    folder: Path
    num_entries: int
    num_files: int


def board_build(folder: str | Path, site: str | Path) -> Site:
    """Builds the site of a board; the same board gives the same bytes.

    Args:
      folder: of the board.
      site: a folder that is not there, is empty, or was built by this and has nothing else in it.
    Raises ValueError, one sentence, where that does not hold or an entry does not fit; nothing is
    written then.
    """
    target = Path(os.path.abspath(site))
    _check_replaceable(target)
    board = entries.load(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, as a rename is atomic within one file system only.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
        whole = Path(beside, "whole")
        _write(board, whole)
        names = sorted(f.relative_to(whole).as_posix() for f in whole.rglob("*") if f.is_file())
        (whole / MARKER).write_text(json.dumps({"files": names}, indent=1) + "\n")
        _check_replaceable(target)  # again: building takes seconds
        if target.exists():
            target.rename(Path(beside, "old"))
        whole.rename(target)
    return Site(Path(site), len(board.entries), len(names))


def _write(board: Board, root: Path) -> None:
    """All files but the marker."""
    for name in ("boards", "entries"):
        (root / name).mkdir(parents=True)
    found, files, costs = [], {}, []
    for group in groups.of(board):
        one, of_steps = _write_group(board, group, root / "boards", files)
        found.append(one)
        costs.append((group, of_steps))
    between = bridges.between(costs)
    if between:
        text = json.dumps([bridge.to_json() for bridge in between], indent=1, allow_nan=False)
        _put(root / "boards" / pages.BRIDGES, f"{text}\n")
    for entry in board.entries:
        shutil.copyfile(entry.path, root / "entries" / f"{entry.name}.zip")
        _put(root / "entries" / f"{entry.sha256}.html", pages.entry(board, found, entry))
    _put(root / "index.html", pages.index(board, found, files, between))
    _put(root / pages.FEED, pages.feed(board))


def _write_group(
    board: Board, group: groups.Group, folder: Path, files: dict[str, list[str]]
) -> tuple[Standings, bridges.Costs]:
    """The report and the downloads of a group, whose names it adds to `files`; its standings, and
    what its steps took."""
    from scoring.views import html  # loads jinja2

    with groups.opened(group) as (leaderboard, root):
        _put(folder / f"{group.slug}.html", html.render(leaderboard, root))
    found = standings.of(board, group, leaderboard)
    made = downloads.files(found, leaderboard)
    for name, content in made.items():
        (folder / name).write_bytes(content)
    files[group.slug] = sorted(made)
    return found, bridges.costs(leaderboard.trials)


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _check_replaceable(target: Path) -> None:
    """Raises ValueError unless a folder is absent, empty, or a site with nothing else in it."""
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        raise ValueError(f"{str(target)!r} is there already and no folder; give another --site")
    there = {
        path.relative_to(target).as_posix()
        for path in target.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    try:
        listed = json.loads((target / MARKER).read_bytes())["files"] if there else []
    except (OSError, ValueError, LookupError, TypeError):
        listed = []
    strange = sorted(there - {MARKER, *map(str, listed)})
    if strange:
        raise ValueError(
            f"{str(target)!r} holds {strange[0]!r}, which `board build` did not put there; give "
            "another --site"
        )
