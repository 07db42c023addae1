"""ArrayRecord files, the other form in which tensorflow-datasets keeps records."""

import dataclasses
import functools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_lite.data import needed
from algoperf_lite.data.source import DataError

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
