"""The 1,797 handwritten 8x8 digits that scikit-learn ships (UCI optical recognition, test part)."""

import functools
import importlib.util
from pathlib import Path

import numpy as np

SPLIT_SIZES = {"train": 997, "validation": 400, "test": 400}
_MEAN, _STDDEV = 4.9, 6.0  # of a pixel in 0..16, over all pictures
_SHUFFLE_SEED = 20_260_101  # fixed for ever: which digit lies in which split


@functools.cache
def splits() -> dict[str, dict[str, np.ndarray]]:
    """Disjoint splits of {'inputs': (n, 8, 8, 1) float32, standardised, 'targets': (n,) int32}."""
    rows = np.loadtxt(_file(), delimiter=",")  # 64 pixels and the digit
    order = np.random.default_rng(_SHUFFLE_SEED).permutation(len(rows))
    pictures = rows[order, :-1].reshape(-1, 8, 8, 1)
    inputs = ((pictures - _MEAN) / _STDDEV).astype(np.float32)
    targets = rows[order, -1].astype(np.int32)
    bounds = np.cumsum(list(SPLIT_SIZES.values()))[:-1]
    parts = zip(SPLIT_SIZES, np.split(inputs, bounds), np.split(targets, bounds), strict=True)
    return {name: {"inputs": x, "targets": y} for name, x, y in parts}


def _file() -> Path:
    """scikit-learn's file, which is found without importing it: that takes half a second, and
    starts a thread."""
    package = Path(importlib.util.find_spec("sklearn").origin).parent
    return package / "datasets" / "data" / "digits.csv.gz"
