"""Volumes of fastMRI: one HDF5 file each, with k-space and the image of every slice."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from algoperf_lite.data import kept, needed
from algoperf_lite.data.checks import each
from algoperf_lite.data.source import DataError

_KSPACE, _IMAGE = "kspace", "reconstruction_esc"


class Index(NamedTuple):
    """What is in each of some volumes, an entry per volume."""

    slices: np.ndarray  # int64
    maximum: np.ndarray  # float32, the largest magnitude; 0 where the file does not say


class Slices(NamedTuple):
    """Some slices of one volume."""

    kspace: np.ndarray  # complex64 (slices, height, width)
    image: np.ndarray  # float32 (slices, size, size)


def index(files: Sequence[Path], size: int) -> Index:
    """What is in the volumes; kept in the user's cache.

    Raises DataError where one is damaged or of another form.
    """
    found = kept.arrays(f"fastmri-index-1-{size}", files, functools.partial(_scan, files, size))
    return Index(found["slices"], found["maximum"])


def _scan(files: Sequence[Path], size: int, folder: Path) -> None:
    slices, maximum = [], []
    for path in files:
        with _opened(path) as file:
            _check(path, file, size)
            slices.append(len(file[_KSPACE]))
            maximum.append(file.attrs.get("max", 0.0))
    np.save(folder / "slices.npy", np.array(slices, np.int64))
    np.save(folder / "maximum.npy", np.array(maximum, np.float32))


def _check(path: Path, file: Any, size: int) -> None:
    repair = "download it again from fastMRI's knee single-coil set"
    for name in (_KSPACE, _IMAGE):
        if name not in file:
            raise DataError(f"{path} has no {name!r} but {', '.join(file) or 'nothing'}; {repair}")
    kspace, image = file[_KSPACE], file[_IMAGE]
    if image.shape[1:] != (size, size):
        raise DataError(
            f"{path}: {_IMAGE!r} is {image.shape}, (slices, {size}, {size}) was expected; {repair}"
        )
    if kspace.ndim != 3 or len(kspace) != len(image) or min(kspace.shape[1:]) < size:
        raise DataError(
            f"{path}: {_KSPACE!r} is {kspace.shape}, ({len(image)}, height, width) of at least "
            f"{size} was expected; {repair}"
        )


def read(path: Path, slices: Sequence[int]) -> Slices:
    """Some slices of a volume. Raises DataError where they cannot be read."""
    # Opened anew each time, a millisecond: handles that threads share would have to be counted.
    with _opened(path) as file:
        try:
            kspace = np.stack([file[_KSPACE][i] for i in slices]).astype(np.complex64, copy=False)
            image = np.stack([file[_IMAGE][i] for i in slices]).astype(np.float32, copy=False)
        except (OSError, KeyError, ValueError) as error:
            raise DataError(
                f"{path} is damaged at slice {min(slices)}"
                f"{' or behind it' * (len(slices) > 1)} ({error}); download it again"
            ) from error
    return Slices(kspace, image)


def damages(path: Path, size: int) -> Iterator[str]:
    """Reads all slices of a volume, and yields a sentence for each that cannot be read."""
    try:
        with _opened(path) as file:
            _check(path, file, size)
            number = len(file[_KSPACE])
    except DataError as error:
        yield str(error)
        return
    yield from each(functools.partial(read, path, [i]) for i in range(number))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with needed.package("h5py", "fastmri"):
        import h5py
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"cannot read {path} as HDF5 ({error}); download it again") from error
    with file:
        yield file
