"""TFRecord files, read at random and without TensorFlow.

A record is its length (uint64), a check sum of that, the data, a check sum of these; all of it
little endian. (tensorflow/core/lib/io/record_writer.h)
"""

import dataclasses
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from algoperf_lite.data import kept, needed
from algoperf_lite.data.source import DataError

_HEADER = struct.Struct("<QI")  # length, its check sum
_FOOTER = struct.Struct("<I")  # check sum of the data
_FRAME = _HEADER.size + _FOOTER.size
_READ_AHEAD = 1 << 20  # bytes at a time where a file is read from its start to its end
_REPAIR = "copy it again, or prepare the data set anew"


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """The records of some files, in order, each found by its number.

    Attributes:
      paths: the files.
      file: int (n,), which of them holds a record.
      offset, length: int64 (n,), where a record's data begin in its file, and their bytes.
    """

    paths: Sequence[Path]
    file: np.ndarray
    offset: np.ndarray
    length: np.ndarray

    def __len__(self) -> int:
        return len(self.file)

    def read(self, number: int) -> bytes:
        """The data of a record. Raises DataError where they do not match their check sum."""
        path, offset = self.paths[self.file[number]], int(self.offset[number])
        length = int(self.length[number])
        # Opened for each read: threads then share nothing, and a thousand shards are no limit.
        # It costs microseconds, where decoding a record costs milliseconds.
        descriptor = _open(path)
        try:
            found = os.pread(descriptor, length + _FOOTER.size, offset)
        finally:
            os.close(descriptor)
        if len(found) < length + _FOOTER.size:
            raise _cut_short(path, offset - _HEADER.size)
        return _checked(found, path, offset - _HEADER.size)


def records(paths: Sequence[Path], counts: Sequence[int] | None = None) -> Records:
    """The records of `paths`, whose index is made once and kept in the user's cache.

    Args:
      counts: records that each file should hold; None where nobody says so.
    Raises DataError where a file is missing, damaged, or holds another number of records.
    """
    indices = [_kept_index(path) for path in paths]
    for path, index, count in zip(paths, indices, counts or [None] * len(paths), strict=True):
        if count is not None and len(index["offset"]) != count:
            raise DataError(
                f"{path} holds {len(index['offset'])} records and its data set's description "
                f"says {count}; {_REPAIR}"
            )
    sizes = [len(index["offset"]) for index in indices]
    joined = {
        name: np.concatenate([index[name] for index in indices]) for name in ("offset", "length")
    }
    return Records(tuple(paths), np.repeat(np.arange(len(paths), dtype=np.int32), sizes), **joined)


def _kept_index(path: Path) -> dict[str, np.ndarray]:
    def make(folder: Path) -> None:
        for name, values in index_of(path).items():
            np.save(folder / f"{name}.npy", values)

    return kept.arrays("tfrecord-1", [path], make)


def index_of(path: Path) -> dict[str, np.ndarray]:
    """Where the records of a file lie: {'offset', 'length'}, int64 (n,), of their data.

    It reads the lengths alone, 12 bytes a record, and checks them.
    Raises DataError, with the offset, where one is damaged or the file ends within a record.
    """
    offsets, lengths, at = [], [], 0
    descriptor = _open(path)
    try:
        size = os.fstat(descriptor).st_size
        while at < size:
            length = _length(os.pread(descriptor, _HEADER.size, at), path, at)
            if at + _FRAME + length > size:
                raise _cut_short(path, at)
            offsets.append(at + _HEADER.size)
            lengths.append(length)
            at += _FRAME + length
    finally:
        os.close(descriptor)
    return {"offset": np.array(offsets, np.int64), "length": np.array(lengths, np.int64)}


def read_through(path: Path) -> Iterator[bytes]:
    """The data of all records of a file, one after the other; faster than one by one.

    Raises DataError, with the offset, at the first that is damaged.
    """
    for at, framed in _framed(path):
        yield _checked(framed, path, at)


def damages(path: Path, count: int | None = None) -> Iterator[str]:
    """Reads a file to its end and yields a sentence for each record that is damaged.

    Behind a damaged length nothing is found any more. `count`: records that it should hold.
    """
    number = 0
    try:
        for at, framed in _framed(path):
            number += 1
            try:
                _checked(framed, path, at)
            except DataError as error:
                yield str(error)
    except DataError as error:
        yield str(error)
        return
    if count not in (None, number):
        yield (
            f"{path} holds {number} records and its data set's description says {count}; {_REPAIR}"
        )


def _framed(path: Path) -> Iterator[tuple[int, bytes]]:
    """(byte at which a record begins, its data with their check sum), one after the other."""
    at = 0
    with open(_open(path), "rb", buffering=_READ_AHEAD) as file:
        size = os.fstat(file.fileno()).st_size
        while header := file.read(_HEADER.size):
            length = _length(header, path, at)
            # What a damaged file calls a length may be more than there is memory.
            if at + _FRAME + length > size:
                raise _cut_short(path, at)
            yield at, file.read(length + _FOOTER.size)
            at += _FRAME + length


def check_sum(data: bytes) -> int:
    """The masked CRC-32C that TFRecord writes behind lengths and data."""
    with needed.package("google-crc32c", "reading TFRecord files"):
        import google_crc32c
    crc = google_crc32c.value(data)
    # Masked, since a CRC of data that hold CRCs says little. (record_writer.cc, crc32c.h)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _length(header: bytes, path: Path, at: int) -> int:
    if len(header) < _HEADER.size:
        raise _cut_short(path, at)
    length, expected = _HEADER.unpack(header)
    if check_sum(header[:8]) != expected:
        raise DataError(
            f"{path} is damaged at byte {at}: the length of a record does not match its check "
            f"sum; if the file is a TFRecord file at all, {_REPAIR}"
        )
    return length


def _checked(framed: bytes, path: Path, at: int) -> bytes:
    data = framed[: -_FOOTER.size]
    if check_sum(data) != _FOOTER.unpack(framed[-_FOOTER.size :])[0]:
        raise DataError(
            f"{path} is damaged in the record at byte {at}: its data do not match their check "
            f"sum; {_REPAIR}"
        )
    return data


def _cut_short(path: Path, at: int) -> DataError:
    return DataError(f"{path} ends within the record at byte {at}; {_REPAIR}")


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
