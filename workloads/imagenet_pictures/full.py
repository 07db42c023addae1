"""ImageNet as AlgoPerf splits it: ILSVRC 2012 trains and validates, ImageNet-v2 tests."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from algoperf_lite.data import folders, tfds
from algoperf_lite.data.checks import Check
from algoperf_lite.data.keys import RowKeys
from algoperf_lite.data.look import Look, Picture, Text
from algoperf_lite.data.source import DataError, Part, Source
from workloads.imagenet_pictures import jpeg, stored
from workloads.imagenet_pictures.transforms import SIZE, Transform, centre_crop

# Of the published sets.
NUM_EXAMPLES = {"train": 1_281_167, "validation": 50_000, "test": 10_000}
KEPT = ("imagenet-1", 512)  # see `LinenWorkload.source`

# TFDS's (name, configuration, split) of each split, and folders that may hold one unpacked.
_PREPARED = {
    "train": ("imagenet2012", None, "train"),
    "validation": ("imagenet2012", None, "validation"),
    "test": ("imagenet_v2", "matched-frequency", "test"),
}
_UNPACKED = {
    "train": ("train",),
    "validation": ("val", "validation"),
    "test": ("imagenet_v2", "imagenetv2-matched-frequency-format-val", "test"),
}
# Beside one another in AlgoPerf's root: of its JAX and of its PyTorch setup.
_HOMES = ("imagenet/jax", "imagenet/pytorch", "imagenet", "jax", "pytorch")


def source(folder: Path, split: str, transform: Transform, eval_train_size: int) -> Source:
    """The pictures of "train", "eval_train", "validation" or "test".

    Args:
      folder: the data set's own, or the root that has it as `imagenet/jax` or `imagenet/pytorch`.
      transform: of the training split; all that is evaluated is cropped at the centre.
      eval_train_size: examples of "eval_train".
    Raises DataError where the split is not there.
    """
    folder = folders.own(folder, *_HOMES)
    folders.require(folder, [])
    if split == "eval_train":
        return Part(LabelledPictures(_pictures(folder, "train"), centre_crop), eval_train_size)
    chosen = transform if split == "train" else centre_crop
    return LabelledPictures(_pictures(folder, split), chosen)


def missing(folder: Path) -> list[str]:
    """What is not there, in words."""
    folder = folders.own(folder, *_HOMES)
    found = []
    for split in _PREPARED:
        try:
            _pictures(folder, split)
        except DataError as error:
            found.append(f"{split}: {error}")
    return found


def checks(folder: Path, split: str) -> Iterator[Check]:
    """What reads the files of a split. Raises DataError where it is not there."""
    return _pictures(folders.own(folder, *_HOMES), split).checks()


def _pictures(folder: Path, split: str) -> stored.Pictures:
    """A split from class folders, if there are any, or else from what TFDS prepared."""
    for name in _UNPACKED[split]:
        if stored.has_classes(folder / name):
            return stored.class_folders(folder / name)
    name, config, part = _PREPARED[split]
    return stored.Shards(tfds.find(folder, name, config).split(part))


@dataclasses.dataclass(frozen=True)
class LabelledPictures(Source):
    """Pictures decoded, cropped and resized: 'inputs' (rows, 224, 224, 3) uint8.

    'targets' (rows,) int32 are classes. Mixup and normalisation are done on the device.

    Attributes:
      pictures: where they lie.
      transform: takes the random numbers of a row.
    """

    pictures: stored.Pictures
    transform: Transform

    @property
    def num_examples(self) -> int:
        """Pictures of the split."""
        return self.pictures.num_examples

    def fingerprint(self) -> str:
        """A hash of what the pictures are read from."""
        return self.pictures.fingerprint()

    def index(self) -> Iterator[int]:
        """Finds the records of all files."""
        self.pictures.index()
        yield self.num_examples

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """Pictures read one by one, changed by random numbers of their place in the batch."""
        out = {
            "inputs": np.empty((len(picks), SIZE, SIZE, 3), np.uint8),
            "targets": np.empty(len(picks), np.int32),
        }
        self.fill(out, picks, keys)
        return out

    def fill(self, out: Mapping[str, np.ndarray], picks: np.ndarray, keys: RowKeys) -> None:
        """The same, without a copy."""
        for row, number in enumerate(picks):
            found = self.pictures.read(int(number))
            picture = jpeg.decode(found.jpeg, found.where)
            out["inputs"][row] = self.transform(picture, keys.generator(row))
            out["targets"][row] = found.label

    def looks(self, picks: np.ndarray, keys: RowKeys) -> Iterator[Look]:
        """Pictures as their JPEG files hold them, and the squares that the model gets of them."""
        inputs = self.rows(picks, keys)["inputs"]
        for number, square in zip(picks, inputs, strict=True):
            found = self.pictures.read(int(number))
            picture = jpeg.decode(found.jpeg, found.where)
            height, width, _ = picture.shape
            lines = [
                f"class {found.label}",
                f"stored: {width} x {height} pixels, {found.where}",
                f"model: {SIZE} x {SIZE} pixels, which are standardised on the device",
            ]
            yield {"stored": Picture(picture), "model": Picture(square), "label": Text(lines)}
