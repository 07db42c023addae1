"""fastMRI's single-coil knees as AlgoPerf splits them: 1,172 volumes of k-space, 113 GB."""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from algoperf_lite.data import folders, look
from algoperf_lite.data.checks import Check
from algoperf_lite.data.keys import RowKeys
from algoperf_lite.data.source import Part, Source, fingerprint_of_files
from workloads.fastmri import masks, reconstruction, volumes

# Of AlgoPerf's files.
NUM_EXAMPLES = {"train": 34_742, "validation": 3_554, "test": 3_581}
SIZE = 320  # pixels along each axis
KEPT = ("fastmri-1", 128)  # see `LinenWorkload.source`

_TRAIN, _VALIDATION = "knee_singlecoil_train", "knee_singlecoil_val"
_VALIDATION_FILES = 100  # the first of their folder; the others test


def source(folder: Path, split: str) -> Source:
    """The slices of "train", "eval_train", "validation" or "test".

    Args:
      folder: the data set's own, or the root that has it as `fastmri`.
    Raises DataError where there are no volumes.
    """
    folder = folders.own(folder, "fastmri")
    folders.require(folder, missing(folder))
    if split == "eval_train":
        return Part(source(folder, "train"), NUM_EXAMPLES["validation"])
    # AlgoPerf takes the training files as the disk lists them; by name is the same everywhere.
    if split == "train":
        return KneeSlices(tuple(sorted((folder / _TRAIN).glob("*.h5"))), masks_by_trial=True)
    files = sorted((folder / _VALIDATION).glob("*.h5"))
    first = split == "validation"
    return KneeSlices(tuple(files[:_VALIDATION_FILES] if first else files[_VALIDATION_FILES:]))


def missing(folder: Path) -> list[str]:
    """What is not there, in words."""
    folder = folders.own(folder, "fastmri")
    found = []
    if not any((folder / _TRAIN).glob("*.h5")):
        found.append(f"{_TRAIN}/*.h5 (973 volumes)")
    num_files = len(list((folder / _VALIDATION).glob("*.h5")))
    if num_files <= _VALIDATION_FILES:
        found.append(f"{_VALIDATION}/*.h5 (199 volumes, {num_files} are there)")
    return found


def checks(folder: Path, split: str) -> Iterator[Check]:
    """What reads every slice of a split's volumes. Raises DataError where there are none."""
    for path in source(folder, split).files:
        yield Check(path, functools.partial(volumes.damages, path, SIZE))


@dataclasses.dataclass(frozen=True)
class KneeSlices(Source):
    """Slices of some volumes, a quarter of whose columns counts as measured.

    'inputs' and 'targets' (rows, size, size) are float16, at most 0.002 from AlgoPerf's float32
    numbers in -6..6; 'mean', 'std' and 'volume_max' (rows,) float32 take them back to the
    scanner's units.

    Attributes:
      files: in the order in which their slices are numbered.
      masks_by_trial: a slice's columns depend on the trial's seed and its number, and stay the
        same in all epochs; otherwise all slices of a width share one set of columns.
      size: pixels of an image along each axis.
    """

    files: tuple[Path, ...]
    masks_by_trial: bool = False
    size: int = SIZE

    @functools.cached_property
    def _index(self) -> volumes.Index:
        return volumes.index(self.files, self.size)

    @property
    def num_examples(self) -> int:
        """Slices of all volumes."""
        return int(self._index.slices.sum())

    def fingerprint(self) -> str:
        """A hash of the files' names, sizes and ends."""
        return fingerprint_of_files(self.files, self.files[0].parent)

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """Slices masked, transformed and normalised. Of `keys` only the trial's seed counts."""
        which, within = self._places(picks)
        images = np.empty((2, len(picks), self.size, self.size), np.float16)
        numbers = np.empty((2, len(picks)), np.float32)
        # A volume is opened once for all of its slices.
        for volume in np.unique(which):
            rows = np.flatnonzero(which == volume)
            found = volumes.read(self.files[volume], within[rows])
            for row, kspace, image in zip(rows, *found, strict=True):
                mask = masks.columns(self._mask_seed(int(picks[row]), keys), kspace.shape[-1])
                example = reconstruction.example(kspace, image, mask)
                images[:, row] = example.inputs, example.targets
                numbers[:, row] = example.mean, example.std
        return {
            "inputs": images[0],
            "targets": images[1],
            "mean": numbers[0],
            "std": numbers[1],
            "volume_max": self._index.maximum[which],
        }

    def looks(self, picks: np.ndarray, keys: RowKeys) -> Iterator[look.Look]:
        """The image and the frequencies that are stored, as logarithms; the image of a quarter of
        the columns that the model gets, and what it is to make of it, both normalised."""
        rows = self.rows(picks, keys)
        for row, (volume, within) in enumerate(zip(*self._places(picks), strict=True)):
            path = self.files[volume]
            [kspace], [image] = volumes.read(path, [within])
            measured = np.log(np.abs(kspace).clip(min=np.finfo(np.float32).tiny))
            pair = rows["inputs"][row], rows["targets"][row]
            # In the same greys, or the eye would compare contrasts.
            low, high = min(map(np.min, pair)), max(map(np.max, pair))
            numbers = {name: rows[name][row] for name in ("mean", "std", "volume_max")}
            yield {
                "stored_kspace": look.grey(measured, *np.percentile(measured, [1, 100])),
                "stored_image": look.grey(image, 0, image.max()),
                "model_input": look.grey(pair[0], low, high),
                "model_target": look.grey(pair[1], low, high),
                "numbers": look.Text([f"slice {within} of {path}", *look.in_words(numbers)]),
            }

    def _places(self, picks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which volume each example is in, and which of its slices it is."""
        ends = np.cumsum(self._index.slices)
        which = np.searchsorted(ends, picks, side="right")
        return which, picks - (ends - self._index.slices)[which]

    def _mask_seed(self, example: int, keys: RowKeys) -> tuple[int, int]:
        return (keys.seed, example) if self.masks_by_trial else masks.EVALUATION_SEED
