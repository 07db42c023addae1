"""Utterances on the disk: AlgoPerf's two files for each, or one stream of samples for all."""

import abc
import dataclasses
import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from algoperf_lite.data.source import DataError, fingerprint_of_files

_AUDIO, _TARGETS, _TABLE = "audio.int16", "targets.int32", "utterances.npz"  # of a stream
_FINGERPRINTED = 1000  # files, of half a million
_RAW_BYTES = 8  # of a sample in AlgoPerf's files, which holds 2


class Utterance(NamedTuple):
    """What was said."""

    audio: np.ndarray  # int16 (samples,), 16 kHz
    tokens: np.ndarray  # int32 (tokens,), the last one ends the sentence


class Utterances(abc.ABC):
    """The utterances of one part of LibriSpeech, each found by its number.

    Attributes:
      folder: of the part; what all parts share lies beside it.
    """

    folder: Path

    @property
    @abc.abstractmethod
    def num_examples(self) -> int:
        """Utterances of the part."""

    @abc.abstractmethod
    def read(self, number: int) -> Utterance:
        """An utterance. Raises DataError where it cannot be read."""

    @abc.abstractmethod
    def where(self, number: int) -> str:
        """The file that has an utterance, and its place in it, for messages."""

    @abc.abstractmethod
    def files(self) -> Iterator[tuple[Path, range]]:
        """The files with recordings, each with the numbers of those that it holds."""

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """A hash of what they are read from."""


@dataclasses.dataclass(frozen=True)
class Files(Utterances):
    """Utterances as AlgoPerf's setup writes them: `<id>_audio.npy` and `<id>_targets.npy`.

    Attributes:
      folder: of the part, such as `train-clean-100`; the list of its ids lies beside it.
    """

    folder: Path

    @functools.cached_property
    def ids(self) -> tuple[str, ...]:
        """Names of the utterances, sorted: AlgoPerf lists them as its disk happened to."""
        path = csv_of(self.folder)
        try:
            rows = path.read_text().splitlines()
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}") from error
        if not rows or rows[0].split(",") != ["", "id"]:
            first = rows[0] if rows else ""
            raise DataError(
                f"{path} begins with {first!r} and ',id' was expected; make it again by AlgoPerf's "
                "dataset setup"
            )
        fields = [row.split(",") for row in rows[1:]]
        for number, row in enumerate(fields, 2):
            if len(row) != 2:
                raise DataError(
                    f"{path}, line {number}: {len(row)} columns and 2 were expected; make it again"
                )
        return tuple(sorted(row[1] for row in fields))

    @property
    def num_examples(self) -> int:
        """Lines of the list."""
        return len(self.ids)

    def fingerprint(self) -> str:
        """A hash of the list, and of names, sizes and ends of a thousand recordings."""
        chosen = self.ids[:: max(1, len(self.ids) // _FINGERPRINTED)]
        files = [csv_of(self.folder), *(self.folder / f"{name}_audio.npy" for name in chosen)]
        return fingerprint_of_files(files, self.folder.parent)

    def read(self, number: int) -> Utterance:
        """An utterance. Raises DataError where a file is missing, damaged or no such thing."""
        name = self.ids[number]
        return Utterance(
            _load(self.folder / f"{name}_audio.npy", np.int16),
            _load(self.folder / f"{name}_targets.npy", np.int32),
        )

    def files(self) -> Iterator[tuple[Path, range]]:
        """One of each utterance."""
        for number, name in enumerate(self.ids):
            yield self.folder / f"{name}_audio.npy", range(number, number + 1)

    def where(self, number: int) -> str:
        """The file of the recording."""
        return str(self.folder / f"{self.ids[number]}_audio.npy")


@dataclasses.dataclass(frozen=True)
class Packed(Utterances):
    """Utterances one after the other in one file of samples: a quarter of AlgoPerf's bytes.

    Attributes:
      folder: where `pack` wrote them.
    """

    folder: Path

    @functools.cached_property
    def _table(self) -> dict[str, np.ndarray]:
        path = self.folder / _TABLE
        try:
            with np.load(path, allow_pickle=False) as content:
                return dict(content)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"cannot read {path} ({error}); pack the utterances again") from error

    @property
    def num_examples(self) -> int:
        """Utterances of the stream."""
        return len(self._table["samples"]) - 1

    def fingerprint(self) -> str:
        """A hash of names, sizes and ends of the stream."""
        files = [self.folder / name for name in (_AUDIO, _TARGETS, _TABLE)]
        return fingerprint_of_files(files, self.folder.parent)

    def read(self, number: int) -> Utterance:
        """An utterance. Raises DataError where the stream ends before it."""
        return Utterance(
            self._piece(_AUDIO, np.dtype(np.int16), self._table["samples"][number : number + 2]),
            self._piece(_TARGETS, np.dtype(np.int32), self._table["tokens"][number : number + 2]),
        )

    def files(self) -> Iterator[tuple[Path, range]]:
        """The stream has them all."""
        yield self.folder / _AUDIO, range(self.num_examples)

    def where(self, number: int) -> str:
        """The stream and the utterance's number."""
        return f"{self.folder / _AUDIO}, utterance {number}"

    def _piece(self, name: str, dtype: np.dtype, borders: np.ndarray) -> np.ndarray:
        path = self.folder / name
        start, stop = (int(border) * dtype.itemsize for border in borders)
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                data = os.pread(descriptor, stop - start, start)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}") from error
        if len(data) < stop - start:
            raise DataError(
                f"{path} ends at byte {start + len(data)} and {stop} were expected; pack the "
                "utterances again"
            )
        return np.frombuffer(data, dtype)


def csv_of(folder: Path) -> Path:
    """The list of a part's ids."""
    return folder.with_name(f"{folder.name}.csv")


def pack(files: Files, folder: Path) -> Iterator[int]:
    """Writes a part as a stream, and yields the utterances done so far.

    The folder appears when it is whole.
    Raises DataError where there is no room, or a file is damaged.
    """
    needed = sum((files.folder / f"{name}_audio.npy").stat().st_size for name in files.ids)
    needed //= _RAW_BYTES // np.dtype(np.int16).itemsize
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise DataError(
            f"{folder} would take {needed / 1e9:.1f} GB and its disk has {free / 1e9:.1f} GB left; "
            "free some, or choose another folder"
        )
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    partial.mkdir()
    try:
        yield from _write(files, partial)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(files: Files, folder: Path) -> Iterator[int]:
    borders = np.zeros((2, files.num_examples + 1), np.int64)
    with (folder / _AUDIO).open("wb") as audio, (folder / _TARGETS).open("wb") as targets:
        for i in range(files.num_examples):
            found = files.read(i)
            audio.write(found.audio.tobytes())
            targets.write(found.tokens.tobytes())
            borders[:, i + 1] = borders[:, i] + (len(found.audio), len(found.tokens))
            yield i + 1
    np.savez(folder / _TABLE, samples=borders[0], tokens=borders[1], ids=np.array(files.ids))


def _load(path: Path, dtype: type) -> np.ndarray:
    """A row of whole numbers as smaller ones that hold them all."""
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"cannot read {path} ({error}); make it again") from error
    limits = np.iinfo(dtype)
    is_fit = values.ndim == 1 and values.dtype.kind in "iu" and values.size
    if not is_fit or values.min() < limits.min or values.max() > limits.max:
        raise DataError(
            f"{path} holds {values.dtype} {values.shape}, and whole numbers within "
            f"{limits.min}..{limits.max} in one row were expected; make it again by AlgoPerf's "
            "dataset setup"
        )
    return values.astype(dtype)
