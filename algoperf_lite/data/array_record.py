"""ArrayRecord files, the other form in which tensorflow-datasets keeps records.

`Examples` is a source of anybody's own files: one record is one example.
"""

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_lite.data import needed
from algoperf_lite.data.keys import RowKeys
from algoperf_lite.data.source import DataError, Source, fingerprint_of_files

_AT_ONCE = 1000  # records
_FILES_OPEN = 64  # each takes some memory for its index


def read_through(path: Path) -> Iterator[bytes]:
    """The data of all records of a file, one after the other.

    Raises DataError where it is missing or damaged.
    """
    file = _File(path)
    for start in range(0, file.num_records, _AT_ONCE):
        yield from file.read(start, min(start + _AT_ONCE, file.num_records))


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """The records of some files, in order, each found by its number.

    Attributes:
      paths: the files.
      counts: records of each.
    """

    paths: Sequence[Path]
    counts: Sequence[int]

    def __len__(self) -> int:
        return sum(self.counts)

    def read(self, number: int) -> bytes:
        """The data of a record. Raises DataError where its file is missing or damaged."""
        file = int(np.searchsorted(self._ends, number, side="right"))
        at = number - int(self._ends[file]) + self.counts[file]
        return _opened(self.paths[file]).read(at, at + 1)[0]

    @functools.cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.counts)


def records(paths: Sequence[Path]) -> Records:
    """All records of files. Raises DataError where one is missing or damaged."""
    return Records(paths, [_opened(path).num_records for path in paths])


@dataclasses.dataclass(frozen=True, eq=False)
class Examples(Source):
    """The examples of files, one in each record.

    Attributes:
      paths: the files, in the order of their examples; in one folder.
      decode: from a record and a generator of random numbers to arrays by name, whose shapes and
        types are the same for all records. What is random about it takes its numbers from there.
    """

    paths: Sequence[Path]
    decode: Callable[[bytes, np.random.Generator], Mapping[str, np.ndarray]]

    @functools.cached_property
    def _records(self) -> Records:
        return records(self.paths)

    @property
    def num_examples(self) -> int:
        """Records of all files. Raises DataError where one is missing."""
        return len(self._records)

    def fingerprint(self) -> str:
        """A hash of names, sizes and ends of the files."""
        return fingerprint_of_files(self.paths, self.paths[0].parent)

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """Decoded records, stacked."""
        rows = [
            self.decode(self._records.read(int(pick)), keys.generator(row))
            for row, pick in enumerate(picks)
        ]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


class _File:
    """A file that threads may read, one at a time."""

    def __init__(self, path: Path):
        with needed.package("array_record", "reading ArrayRecord files"):
            from array_record.python.array_record_module import ArrayRecordReader
        # Its reader says nothing of a file that is not there, or of one that was cut short.
        if not path.is_file():
            raise DataError(f"cannot read {path}: it is missing")
        self._path, self._lock = path, threading.Lock()
        self._reader: Any = ArrayRecordReader(str(path))
        self.num_records: int = self._reader.num_records()

    def read(self, start: int, stop: int) -> list[bytes]:
        """The data of the records from `start` to before `stop`."""
        try:
            with self._lock:
                found = self._reader.read(start, stop)
        except (RuntimeError, ValueError, IndexError) as error:
            first = str(error).partition("\n")[0]
            raise self._damaged(start, first) from error
        if len(found) != stop - start:
            raise self._damaged(start, f"the file has {self.num_records} records")
        return found

    def _damaged(self, start: int, why: str) -> DataError:
        return DataError(f"{self._path} is damaged at record {start} ({why}); copy it again")


_opened = functools.lru_cache(maxsize=_FILES_OPEN)(_File)
