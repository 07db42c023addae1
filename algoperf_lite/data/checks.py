"""Checks of files: each reads one from its start to its end and says what is damaged in it."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from algoperf_lite.data.source import DataError


@dataclasses.dataclass(frozen=True)
class Check:
    """A file, and what reads all of it.

    Attributes:
      path: the file.
      damages: yields a sentence for each damage, with the file and the place in it.
    """

    path: Path
    damages: Callable[[], Iterator[str]]


def reading(path: Path, read: Callable[[], Iterable[object]]) -> Check:
    """The check of a file by a reader of it, which raises DataError at the first damage.

    `read` gives all that the file holds, piece by piece.
    """
    return Check(path, functools.partial(_until_first, read))


def _until_first(read: Callable[[], Iterable[object]]) -> Iterator[str]:
    try:
        for _ in read():
            pass
    except DataError as error:
        yield str(error)


def each(parts: Iterable[Callable[[], object]]) -> Iterator[str]:
    """A sentence for each of the parts of a file that cannot be read."""
    for read in parts:
        try:
            read()
        except DataError as error:
            yield str(error)
