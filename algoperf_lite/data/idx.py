"""IDX files: the form in which MNIST and its relatives were published."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from algoperf_lite.data.source import DataError

_HEADER = struct.Struct(">HBB")  # zero, the type of elements, the number of axes; big endian
_UINT8 = 8
_MAX_AXES = 4


def read(path: Path) -> np.ndarray:
    """The array of a file, as it is or compressed (`.gz`): uint8, of the shape that it says.

    Raises DataError where the file is missing, damaged or of another form.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged ({error}); copy it again") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    zero, kind, axes = _HEADER.unpack(content[:4].ljust(4, b"\xff"))
    if (zero, kind) != (0, _UINT8) or not 1 <= axes <= _MAX_AXES:
        raise DataError(
            f"{path} begins with {content[:4].hex() or 'nothing'}, and an IDX file of bytes with "
            "000008 and its number of axes; copy it again"
        )
    start = 4 + 4 * axes
    shape = struct.unpack(f">{axes}I", content[4:start].ljust(4 * axes, b"\0"))
    # As Python's whole numbers: numpy's product of a damaged shape would overflow.
    size = 1
    for length in shape:
        size *= length
    if len(content) != start + size:
        raise DataError(
            f"{path} holds {len(content)} bytes, and its shape {shape} needs {start + size}; "
            "copy it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def find(folder: Path, name: str) -> Path:
    """The file `name`, such as 'train-images-idx3-ubyte', with or without '.gz'.

    Raises DataError where there is none.
    """
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError(f"{folder} has neither {name} nor {name}.gz; copy it there")
