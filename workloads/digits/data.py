"""The 1,797 handwritten 8x8 digits that scikit-learn ships (UCI optical recognition, test part)."""

import functools

import numpy as np
from sklearn.datasets import load_digits

SPLIT_SIZES = {"train": 997, "validation": 400, "test": 400}
_MEAN, _STDDEV = 4.9, 6.0  # of a pixel in 0..16, over all pictures
_SHUFFLE_SEED = 20_260_101  # fixed for ever: which digit lies in which split


@functools.cache
def splits() -> dict[str, dict[str, np.ndarray]]:
    """Disjoint splits of {'inputs': (n, 8, 8, 1) float32, standardised, 'targets': (n,) int32}."""
    digits = load_digits()
    order = np.random.default_rng(_SHUFFLE_SEED).permutation(len(digits.target))
    inputs = ((digits.images[order, :, :, None] - _MEAN) / _STDDEV).astype(np.float32)
    targets = digits.target[order].astype(np.int32)
    bounds = np.cumsum(list(SPLIT_SIZES.values()))[:-1]
    parts = zip(SPLIT_SIZES, np.split(inputs, bounds), np.split(targets, bounds), strict=True)
    return {name: {"inputs": x, "targets": y} for name, x, y in parts}
