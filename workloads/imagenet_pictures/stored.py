"""Where labelled JPEG pictures lie: in files of records of TFDS, or in a folder for each class."""

import abc
import dataclasses
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from algoperf_lite.data import array_record, example, tfds, tfrecord
from algoperf_lite.data.checks import Check, reading
from algoperf_lite.data.source import DataError, fingerprint_of_files
from workloads.imagenet_pictures import jpeg

NUM_CLASSES = 1000

_CLASS = re.compile(r"n\d{8}|\d{1,3}")  # a synset's number, or a class's
_SUFFIXES = (".jpeg", ".jpg")


class Stored(NamedTuple):
    """A picture as it is stored."""

    jpeg: bytes
    label: int
    where: str  # the file, and the record in it


class Pictures(abc.ABC):
    """The pictures of a split, each found by its number."""

    @property
    @abc.abstractmethod
    def num_examples(self) -> int:
        """Pictures of the split."""

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """A hash of what they are read from."""

    def index(self) -> None:
        """Finds each picture's place ahead of time. Default: nothing has to be found."""
        return

    @abc.abstractmethod
    def checks(self) -> Iterator[Check]:
        """What reads each of the files, whole."""

    @abc.abstractmethod
    def read(self, number: int) -> Stored:
        """A picture. Raises DataError where it cannot be read."""


@dataclasses.dataclass(frozen=True)
class Shards(Pictures):
    """Pictures in TFRecord or ArrayRecord files, with features 'image' and 'label'."""

    shards: tfds.Shards

    @property
    def num_examples(self) -> int:
        """As the description of the data set says."""
        return self.shards.num_examples

    def fingerprint(self) -> str:
        """A hash of the files' names, sizes and ends."""
        return fingerprint_of_files(self.shards.paths, self.shards.paths[0].parent)

    @functools.cached_property
    def _records(self) -> tfrecord.Records | array_record.Records:
        return self.shards.at_random()

    def checks(self) -> Iterator[Check]:
        """The check sums of all records."""
        return self.shards.checks()

    def index(self) -> None:
        """Reads the lengths of all records where the cache does not have them."""
        _ = self._records

    def read(self, number: int) -> Stored:
        """A picture. Raises DataError where its record is damaged or another data set's."""
        where = self._where(number)
        features = example.parse(self._records.read(number), where)
        label = int(example.ints(features, "label", where)[0])
        if not 0 <= label < NUM_CLASSES:
            raise DataError(f"{where}: label {label}, 0 to {NUM_CLASSES - 1} was expected")
        return Stored(example.data(features, "image", where), label, where)

    def _where(self, number: int) -> str:
        """The place of a record in words."""
        file = int(np.searchsorted(self._ends, number, side="right"))
        record = number - self._ends[file] + self.shards.counts[file]
        return f"record {record} of {self.shards.paths[file]}"

    @functools.cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.shards.counts)


@dataclasses.dataclass(frozen=True, eq=False)
class ClassFolders(Pictures):
    """Pictures in a folder for each class, as the published archives unpack.

    Attributes:
      folder: holds the classes' folders.
      paths: of the pictures, sorted.
      labels: int32 (n,), their classes.
    """

    folder: Path
    paths: tuple[Path, ...]
    labels: np.ndarray

    @property
    def num_examples(self) -> int:
        """Pictures in all folders."""
        return len(self.paths)

    def fingerprint(self) -> str:
        """A hash of names, sizes and ends of a thousand of the files."""
        # All of them would be opened one by one: minutes for a million.
        step = max(1, len(self.paths) // 1000)
        return f"{len(self.paths)}-{fingerprint_of_files(self.paths[::step], self.folder)}"

    def checks(self) -> Iterator[Check]:
        """Decodes every picture: the files have no check sums."""
        for number, path in enumerate(self.paths):
            yield reading(path, functools.partial(self._decoded, number))

    def _decoded(self, number: int) -> list[np.ndarray]:
        found = self.read(number)
        return [jpeg.decode(found.jpeg, found.where)]

    def read(self, number: int) -> Stored:
        """A picture. Raises DataError where its file cannot be read."""
        path = self.paths[number]
        try:
            return Stored(path.read_bytes(), int(self.labels[number]), str(path))
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def has_classes(folder: Path) -> bool:
    """Whether a folder has folders that are named as classes are."""
    return folder.is_dir() and any(_CLASS.fullmatch(path.name) for path in folder.iterdir())


def class_folders(folder: Path) -> ClassFolders:
    """The pictures below a folder.

    Folders that are named by numbers (ImageNet-v2) are the classes of these numbers; others are
    counted through by name, as ImageNet's synsets are.
    Raises DataError where there are no pictures, or more classes than a thousand.
    """
    names = [path.name for path in folder.iterdir() if _CLASS.fullmatch(path.name)]
    names.sort(key=lambda name: int(name.removeprefix("n")))
    if len(names) > NUM_CLASSES:
        raise DataError(f"{folder} has {len(names)} folders; {NUM_CLASSES} classes were expected")
    is_numbered = all(name.isdigit() for name in names)
    paths, labels = [], []
    for i, name in enumerate(names):
        inside = sorted(p for p in (folder / name).iterdir() if p.suffix.lower() in _SUFFIXES)
        paths += inside
        labels += [int(name) if is_numbered else i] * len(inside)
    if not paths:
        raise DataError(f"{folder} has no JPEG pictures in folders of classes; unpack them there")
    return ClassFolders(folder, tuple(paths), np.array(labels, np.int32))
