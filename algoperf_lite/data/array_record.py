"""ArrayRecord files, the other form in which tensorflow-datasets keeps records."""

from collections.abc import Iterator
from pathlib import Path

from algoperf_lite.data import needed
from algoperf_lite.data.source import DataError

_AT_ONCE = 1000  # records


def read_through(path: Path) -> Iterator[bytes]:
    """The data of all records of a file, one after the other.

    Raises DataError where it is missing or damaged.
    """
    with needed.package("array_record", "reading ArrayRecord files"):
        from array_record.python.array_record_module import ArrayRecordReader
    # Its own reader says nothing of a file that is not there, or of one that was cut short.
    if not path.is_file():
        raise DataError(f"cannot read {path}: it is missing")
    try:
        reader = ArrayRecordReader(str(path))
        try:
            for start in range(0, reader.num_records(), _AT_ONCE):
                yield from reader.read(start, min(start + _AT_ONCE, reader.num_records()))
        finally:
            reader.close()
    except (RuntimeError, ValueError, IndexError) as error:
        first = str(error).partition("\n")[0]
        raise DataError(f"{path} is damaged ({first}); copy it again") from error
