"""Fashion-MNIST, divided as AlgoPerf divides MNIST; see `workloads.small_pictures.full`."""

from pathlib import Path

from algoperf_lite.data.source import Source
from workloads.small_pictures.full import FASHION_MNIST


def source(folder: Path, split: str) -> Source:
    """The examples of 'train', 'validation' or 'test': uint8 pictures and int32 labels.

    Raises DataError where files are missing or damaged.
    """
    return FASHION_MNIST.source(folder, split)


def missing(folder: Path) -> list[str]:
    """The files that are not there, in words."""
    return FASHION_MNIST.missing(folder)
