"""Columns of lists and texts from folders that Hugging Face `datasets` saved, and from parquet."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from algoperf_lite.data import needed
from algoperf_lite.data.source import DataError

STATE = "state.json"  # names the files of a saved data set in their order
_END = b"\xff\xff\xff\xff\0\0\0\0"  # of a stream that was written to its end


def saved_files(folder: Path) -> list[Path]:
    """The Arrow files of a folder that save_to_disk wrote, in order.

    Raises DataError where it is none, a file is missing, or rows were chosen without rewriting.
    """
    path = folder / STATE
    try:
        state = json.loads(path.read_text())
        files = [folder / file["filename"] for file in state["_data_files"]]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is no description that `datasets` wrote ({type(error).__name__}: {error}); "
            "save the data set again"
        ) from error
    if state.get("_indices_data_files"):
        raise DataError(
            f"{folder} holds rows in another order than they were saved; call flatten_indices() "
            "before save_to_disk()"
        )
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise DataError(f"{missing[0]}, which {path} names, is missing; copy it there")
    return files


def lists(path: Path, column: str) -> Iterator[np.ndarray]:
    """The values of a column of lists, all lists of a batch of rows joined: one array a batch.

    Raises DataError where the file is damaged or has no such column.
    """
    with needed.package("pyarrow", "reading Arrow files"):
        import pyarrow as pa
    # A stream that was cut between two batches looks complete.
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - len(_END)))
        if file.read() != _END:
            raise DataError(f"{path} was cut short, or is no Arrow stream; copy it again")
    batch = 0
    try:
        # Read and not mapped: of a mapped file, all that was ever seen counts as memory.
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
            if column not in stream.schema.names:
                raise DataError(
                    f"{path} has the columns {', '.join(stream.schema.names)} and not {column!r}"
                )
            for batch, rows in enumerate(stream):
                yield _joined(rows.column(column), f"batch {batch} of {path}")
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path} is damaged behind its batch {batch} of rows ({error}); copy it again"
        ) from error


def texts(path: Path, column: str) -> Iterator[list[str]]:
    """The texts of a column of a parquet file, some rows at a time.

    Raises DataError where the file is damaged or has no such column.
    """
    with needed.package("pyarrow", "reading parquet files"):
        import pyarrow as pa
        from pyarrow import parquet
    try:
        with parquet.ParquetFile(path) as file:
            if column not in file.schema_arrow.names:
                names = ", ".join(file.schema_arrow.names)
                raise DataError(f"{path} has the columns {names} and not {column!r}")
            for rows in file.iter_batches(columns=[column], batch_size=1000):
                yield rows.column(0).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is damaged ({error}); copy it again") from error


def _joined(column: "pyarrow.Array", where: str) -> np.ndarray:  # noqa: F821
    with needed.package("pyarrow", "reading Arrow files"):
        from pyarrow import types
    kind = column.type
    is_list = types.is_list(kind) or types.is_large_list(kind)
    if not is_list or not types.is_integer(kind.value_type):
        raise DataError(f"{where} holds {kind}; a list of whole numbers was expected")
    values = column.flatten()
    if column.null_count or values.null_count:
        raise DataError(f"{where} holds missing values; save the data set again without them")
    return values.to_numpy()
