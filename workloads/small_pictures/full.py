"""Splits of small pictures in memory, from the published files or from TFDS's.

AlgoPerf divides the training part in two, by the order of its files, and tests on the test part.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from algoperf_lite.data import cifar, folders, idx, kept, pictures, tfds
from algoperf_lite.data.checks import Check, reading
from algoperf_lite.data.keys import RowKeys
from algoperf_lite.data.look import Look, Picture, Text
from algoperf_lite.data.source import DataError, InMemory, Part, Source

SPLITS = ("train", "eval_train", "validation", "test")
Pictures = tuple[np.ndarray, np.ndarray]  # pictures (n, H, W, C) and labels (n,), uint8


@dataclasses.dataclass(frozen=True, eq=False)
class Labelled(InMemory):
    """'inputs' (n, H, W, C) uint8 and 'targets' (n,) int32, classes."""

    def looks(self, picks: np.ndarray, keys: RowKeys) -> Iterator[Look]:
        """Pictures as they are stored, which is how the model gets them; it standardises pixels."""
        rows = self.rows(picks, keys)
        for pick, pixels, label in zip(picks, rows["inputs"], rows["targets"], strict=True):
            yield {"picture": Picture(pixels), "label": Text([f"example {pick}, class {label}"])}


@dataclasses.dataclass(frozen=True)
class SmallPictures:
    """A data set.

    Attributes:
      name: that of TFDS.
      folder_name: of AlgoPerf, below the root of all data sets.
      num_train: training examples; those behind them in the training part are for validation.
      part_sizes: examples of the parts 'train' and 'test'.
      files: the names of a part's published files in a folder.
      read: what they hold.
      read_file: what one of them holds.
    """

    name: str
    folder_name: str
    num_train: int
    part_sizes: dict[str, int]
    files: Callable[[Path, str], list[Path]]
    read: Callable[[Path, str], Pictures]
    read_file: Callable[[Path], np.ndarray]

    def source(self, folder: Path, split: str) -> Source:
        """The examples of a split: {'inputs': (n, H, W, C) uint8, 'targets': (n,) int32}.

        Args:
          folder: the data set's own, or the root of all data sets.
          split: one of SPLITS.
        Raises DataError where files are missing, damaged, or hold another number of examples.
        """
        if split == "eval_train":
            validation = self.part_sizes["train"] - self.num_train
            return Part(self.source(folder, "train"), validation)
        if split not in SPLITS:
            raise DataError(f"{self.name} has the splits {', '.join(SPLITS)}, and not {split!r}")
        part = "test" if split == "test" else "train"
        inputs, targets = self._part(folders.own(folder, self.folder_name), part)
        if len(inputs) != self.part_sizes[part]:
            raise DataError(
                f"the part {part!r} of {self.name} in {folder} has {len(inputs)} pictures, and "
                f"{self.part_sizes[part]} were expected; copy the data set again"
            )
        rows = {
            "train": slice(self.num_train),
            "validation": slice(self.num_train, None),
            "test": slice(None),
        }[split]
        return Labelled({"inputs": inputs[rows], "targets": targets[rows].astype(np.int32)})

    @property
    def num_examples(self) -> dict[str, int]:
        """Examples of each split, as published and divided."""
        held_out = self.part_sizes["train"] - self.num_train
        return {
            "train": self.num_train, "validation": held_out, "test": self.part_sizes["test"]
        }  # fmt: skip

    def checks(self, folder: Path, split: str) -> Iterator[Check]:
        """What reads the files of a split. Raises DataError where they are missing."""
        own, part = folders.own(folder, self.folder_name), "test" if split == "test" else "train"
        published = self.files(own, part)
        if not all(map(_is_there, published)):
            yield from self._prepared(own).split(part).checks()
            return
        for plain in published:
            path = plain if plain.is_file() else plain.with_name(f"{plain.name}.gz")
            yield reading(path, lambda path=path: [self.read_file(path)])

    def missing(self, folder: Path) -> list[str]:
        """What is not there, in words; nothing where one of the two forms is complete."""
        own = folders.own(folder, self.folder_name)
        absent = [
            path.name
            for part in self.part_sizes
            for path in self.files(own, part)
            if not _is_there(path)
        ]
        if not absent:
            return []
        try:
            prepared = tfds.find(own, self.name)
            return [
                path
                for part in self.part_sizes
                for path in (prepared.splits[part].missing() if part in prepared.splits else [part])
            ]
        except DataError:
            names = ", ".join(absent)
            return [f"{names} in {own} (or the data set {self.name!r} of tensorflow-datasets)"]

    def _part(self, folder: Path, part: str) -> Pictures:
        files = self.files(folder, part)
        if all(map(_is_there, files)):
            return self.read(folder, part)
        prepared = self._prepared(folder)

        def make(out: Path) -> None:
            inputs, targets = pictures.read(prepared, part)
            np.save(out / "inputs.npy", inputs)
            np.save(out / "targets.npy", targets)

        # Decoding tens of thousands of PNG files takes seconds, so it is done once.
        paths = list(prepared.split(part).paths)
        found = kept.arrays(f"{self.name}-1-{part}", paths, make)
        return found["inputs"], found["targets"]

    def _prepared(self, folder: Path) -> tfds.Prepared:
        try:
            return tfds.find(folder, self.name)
        except DataError as error:
            names = ", ".join(path.name for path in self.files(folder, "train"))
            raise DataError(
                f"{folder} holds {self.name} in no form that is read: neither {names} and the like "
                f"nor TFDS's ({error})"
            ) from error


def _is_there(path: Path) -> bool:
    return path.is_file() or path.with_name(f"{path.name}.gz").is_file()


_IDX = {"train": "train", "test": "t10k"}


def idx_files(folder: Path, part: str) -> list[Path]:
    """The pictures and the labels of a part of MNIST, or of a data set in its form."""
    start = _IDX[part]
    return [folder / f"{start}-images-idx3-ubyte", folder / f"{start}-labels-idx1-ubyte"]


def read_idx(folder: Path, part: str) -> Pictures:
    """What those files hold. Raises DataError where pictures and labels do not belong together."""
    inputs, targets = (idx.read(idx.find(folder, path.name)) for path in idx_files(folder, part))
    if inputs.ndim != 3 or targets.shape != inputs.shape[:1]:
        raise DataError(
            f"the files of part {part!r} in {folder} hold arrays {inputs.shape} and "
            f"{targets.shape}; pictures and as many labels were expected: copy them again"
        )
    return inputs[..., None], targets


MNIST = SmallPictures(
    "mnist", "MNIST", 50_000, {"train": 60_000, "test": 10_000}, idx_files, read_idx, idx.read
)
FASHION_MNIST = dataclasses.replace(MNIST, name="fashion_mnist", folder_name="fashion-mnist")
CIFAR10 = SmallPictures(
    "cifar10",
    "cifar10",
    45_000,
    {"train": 50_000, "test": 10_000},
    cifar.paths,
    cifar.read,
    cifar.records,
)
