"""Lines of text files found without reading what lies before them.

Where every 4,096th line of a file begins is kept in the user's cache: eight bytes per megabyte.
"""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from algoperf_lite.data import kept
from algoperf_lite.data.source import DataError

STRIDE = 4096  # lines from one known offset to the next

_CHUNK_BYTES = 1 << 24  # read at a time while lines are counted
_NEWLINE = 10


class Index(NamedTuple):
    """Where lines of one file begin."""

    num_lines: int  # the last one may lack its newline
    offsets: np.ndarray  # int64, bytes before line 0, `STRIDE`, 2 `STRIDE`, ...; the file's size


def index(path: Path) -> Index:
    """The index of a file, made where the cache has none of the file as it is now: 1 s for 1 GB.

    Raises DataError where the file cannot be read.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    return _index(path, status.st_size, status.st_mtime_ns)


# Enough for all of the click log's files: 849 of 1,200 numbers each.
@functools.lru_cache(maxsize=1024)
def _index(path: Path, size: int, changed_ns: int) -> Index:
    del size, changed_ns  # a file that was changed is another file
    found = kept.arrays(f"lines-1-{STRIDE}", [path], functools.partial(_scan, path))
    return Index(int(found["num_lines"]), found["offsets"])


def _scan(path: Path, folder: Path) -> None:
    """Writes the index of a file into a folder."""
    offsets, lines, size = [np.zeros(1, np.int64)], 0, 0
    ends_in_newline = True
    for chunk in _chunks(path):
        ends = np.flatnonzero(chunk == _NEWLINE) + (size + 1)
        # The line `lines + i + 1` begins behind newline i of this chunk.
        offsets.append(ends[(-lines - 1) % STRIDE :: STRIDE])
        lines, size = lines + len(ends), size + len(chunk)
        ends_in_newline = chunk[-1] == _NEWLINE
    lines += not ends_in_newline
    starts = np.concatenate(offsets)
    starts = starts[starts < size]
    np.save(folder / "num_lines.npy", np.int64(lines))
    np.save(folder / "offsets.npy", np.append(starts, size))


def _chunks(path: Path) -> Iterator[np.ndarray]:
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield np.frombuffer(chunk, np.uint8)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def read(path: Path, first: int, last: int) -> bytes:
    """The lines from `first` to before `last`, each with its newline.

    Raises DataError where the file ends before them or cannot be read.
    """
    known = index(path)
    if last > known.num_lines:
        raise DataError(
            f"{path} has {known.num_lines} lines, and line {last} was expected: its download or "
            "its conversion was cut off; make the file again"
        )
    block, end = first // STRIDE, -(-last // STRIDE)
    begin, stop = (int(known.offsets[i]) for i in (block, end))
    data = _read_bytes(path, begin, stop - begin)
    newlines = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)
    skipped, wanted = first - block * STRIDE, last - first
    start = int(newlines[skipped - 1]) + 1 if skipped else 0
    upto = skipped + wanted - 1
    return data[start : int(newlines[upto]) + 1] if upto < len(newlines) else data[start:] + b"\n"


def _read_bytes(path: Path, offset: int, size: int) -> bytes:
    """Bytes of a file, whatever other threads read of it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            data = os.pread(descriptor, size, offset)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) < size:
        raise DataError(
            f"{path} ends at byte {offset + len(data)}, before the {offset + size} that it had "
            "when its lines were counted; do not change it during a run"
        )
    return data
