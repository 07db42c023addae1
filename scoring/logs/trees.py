"""Directories and packs of logs, opened as one tree."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scoring.logs import merge, pack

Given = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Tree:
    """The tree of all that was given.

    Attributes:
      root: the directory that was given, if it is one alone; else a folder that is soon gone.
      parts: {as it was given: its directory}.
    """

    root: Path
    parts: Mapping[str, Path]


@contextmanager
def opened(given: Given) -> Iterator[Tree]:
    """The tree of directories and packs while the block lasts.

    Raises ValueError, one sentence, for a pack that `pack.read` refuses; what a directory holds is
    for its reader to say.
    """
    paths = [given] if isinstance(given, str | Path) else list(given)
    if not paths:
        raise ValueError("got no directory; give at least one, or a pack")
    if len(paths) == 1 and not Path(paths[0]).is_file():
        yield Tree(Path(paths[0]), {str(paths[0]): Path(paths[0])})
        return
    with tempfile.TemporaryDirectory(prefix="algoperf_lite_") as temporary:
        parts = unpacked(paths, Path(temporary))
        root = next(iter(parts.values()))
        if len(parts) > 1:
            root = merge.together(parts, Path(temporary, "all"))
        yield Tree(root, parts)


def unpacked(paths: Sequence[str | Path], folder: Path) -> dict[str, Path]:
    """{as it was given: its directory}; packs are unpacked into `folder`, each thing counts once.

    Raises ValueError, one sentence, for what is neither a directory nor a sound pack.
    """
    given: dict[str, Path] = {}
    for path in paths:
        given.setdefault(os.path.realpath(path), Path(path))
    found = {}
    for number, path in enumerate(given.values()):
        if not path.exists():
            raise ValueError(f"{str(path)!r} does not exist; give directories, or packs")
        found[str(path)] = _part(path, folder / f"pack_{number}")
    return found


def _part(path: Path, folder: Path) -> Path:
    """A directory as it is; a pack unpacked into a new folder."""
    if path.is_dir():
        return path
    # All of it is read and checked before the first file is written.
    found = pack.read(path)
    folder.mkdir(parents=True)
    found.unpack(folder)
    return folder
