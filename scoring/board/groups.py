"""The groups of a board: entries of one benchmark, ruleset and hardware class, scored together."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from scoring import leaderboard
from scoring.board.entries import Board, Entry
from scoring.board.settings import Hardware
from scoring.leaderboard import Leaderboard
from scoring.logs import merge
from scoring.logs.format import DIAGNOSTICS, LINEAGE, RECORD, ROW_FILES


@dataclass(frozen=True)
class Group:
    """Entries that compare in seconds.

    Attributes:
      slug: name of its files.
    """

    benchmark: str
    ruleset: str
    hardware: Hardware
    entries: tuple[Entry, ...]

    @property
    def slug(self) -> str:
        return f"{self.benchmark}-{self.ruleset}-{self.hardware.id}"


def of(board: Board) -> tuple[Group, ...]:
    """The groups, in the order of `board.toml`: the newest benchmark first."""
    members: dict[tuple[str, str, str], list[Entry]] = {}
    classes: dict[str, Hardware] = {}
    for entry in board.entries:
        hardware = board.hardware(entry)
        classes[hardware.id] = hardware
        members.setdefault((entry.benchmark, entry.ruleset, hardware.id), []).append(entry)
    known = [one.id for one in board.settings.hardware]

    def place(key: tuple[str, str, str]) -> tuple:
        benchmark, ruleset, hardware = key
        rank = known.index(hardware) if hardware in known else len(known)
        settings = board.settings
        newest = -settings.benchmarks.index(benchmark)
        return newest, settings.rulesets.index(ruleset), rank, hardware

    return tuple(
        Group(benchmark, ruleset, classes[hardware], tuple(members[benchmark, ruleset, hardware]))
        for benchmark, ruleset, hardware in sorted(members, key=place)
    )


@contextmanager
def opened(group: Group) -> Iterator[tuple[Leaderboard, Path]]:
    """The leaderboard of a group, and the tree of its logs while the block lasts.

    Raises ValueError where its trials do not compare.
    """
    with tempfile.TemporaryDirectory(prefix="algoperf_lite_") as temporary:
        parts = {}
        for number, entry in enumerate(group.entries):
            parts[entry.name] = Path(temporary, f"pack_{number}")
            parts[entry.name].mkdir()
            read = {path: text for path, text in entry.pack.files.items() if _is_read(path)}
            replace(entry.pack, files=read).unpack(parts[entry.name])
        root = merge.together(parts, Path(temporary, "all"))
        # Machines of one class are alike by the word of the board's keepers.
        board = leaderboard.score(
            root, group.benchmark, ruleset=group.ruleset, allow_mixed_hardware=True
        )
        yield board, root


def _is_read(path: str) -> bool:
    """Whether scoring reads a file of a pack; writing the others would take most of the time."""
    return "/" not in path or path.rpartition("/")[2] in (*ROW_FILES, RECORD, LINEAGE, DIAGNOSTICS)


def members(group: Group, submission: str) -> tuple[Entry, ...]:
    """The entries that hold a row of the group's leaderboard."""
    names = {submission, merge.stem(submission)}
    return tuple(entry for entry in group.entries if names & set(entry.submissions))
