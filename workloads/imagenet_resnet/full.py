"""ImageNet as AlgoPerf's ResNet trains with it and evaluates it."""

from pathlib import Path

from algoperf_lite.data.source import Source
from workloads.imagenet_pictures import full, transforms

_EVAL_TRAIN_EXAMPLES = 49 * 1024  # as many whole batches as validation has


def source(folder: Path, split: str) -> Source:
    """The pictures of "train", "eval_train", "validation" or "test".

    Args:
      folder: the data set's own, or the root that has it as `imagenet/jax` or `imagenet/pytorch`.
    Raises DataError where the split is not there.
    """
    return full.source(folder, split, transforms.random_crop, _EVAL_TRAIN_EXAMPLES)


def missing(folder: Path) -> list[str]:
    """What is not there, in words."""
    return full.missing(folder)
