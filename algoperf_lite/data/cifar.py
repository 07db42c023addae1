"""CIFAR-10's binary version: records of one label byte and three planes of 32 x 32 bytes."""

from pathlib import Path

import numpy as np

from algoperf_lite.data.source import DataError

FILES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
_FOLDER = "cifar-10-batches-bin"  # what the published archive unpacks to
_PICTURE = (3, 32, 32)  # channels come first
_RECORD = 1 + 3 * 32 * 32
_CLASSES = 10


def read(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, 32, 32, 3) and labels (n,), uint8, of part 'train' or 'test'.

    Raises DataError where a file is missing, damaged or of another form.
    """
    found = np.concatenate([records(path) for path in paths(folder, part)])
    planes = found[:, 1:].reshape(-1, *_PICTURE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), found[:, 0].copy()


def paths(folder: Path, part: str) -> list[Path]:
    """The files of a part, in `folder` or in the one that the archive unpacks to."""
    inner = folder / _FOLDER
    return [(inner if inner.is_dir() else folder) / name for name in FILES[part]]


def records(path: Path) -> np.ndarray:
    """The records of a file, uint8 (n, 3073): labels, and pictures with the channels first.

    Raises DataError where it is damaged or of another form.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if len(content) % _RECORD or not len(content):
        raise DataError(
            f"{path} holds {len(content)} bytes, which is no whole number of records of {_RECORD}; "
            "copy CIFAR-10's binary version again"
        )
    found = content.reshape(-1, _RECORD)
    wrong = np.flatnonzero(found[:, 0] >= _CLASSES)
    if len(wrong):
        raise DataError(
            f"record {wrong[0]} of {path} has the label {found[wrong[0], 0]} and 0 to 9 were "
            "expected; copy CIFAR-10's binary version again"
        )
    return found
