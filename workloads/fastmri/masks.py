"""Columns of k-space that count as measured, drawn as AlgoPerf's TensorFlow draws them.

TensorFlow's stateless random numbers come from Philox4x32-10 (Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3"); the key and the counter are themselves scrambled from the seed.
"""

import functools

import numpy as np

ACCELERATION = 4  # one column in so many is measured, on average
CENTRE_FRACTION = 0.08  # of the columns, the lowest frequencies, are always measured
EVALUATION_SEED = (0, 0)  # of every slice of validation and test

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))  # added to the key in each round
_SCRAMBLER = (0x3EC8F720, 0x02461E29)  # TensorFlow's key for seeds
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
_MANTISSA, _ONE = 0x7FFFFF, 0x3F800000  # bits of a float32 in [1, 2)


def columns(seed: tuple[int, int], width: int) -> np.ndarray:
    """Which columns are measured, bool (width,)."""
    if seed == EVALUATION_SEED:
        return _evaluation_columns(width)
    return _columns(seed, width)


@functools.lru_cache(maxsize=64)  # there are a handful of widths
def _evaluation_columns(width: int) -> np.ndarray:
    mask = _columns(EVALUATION_SEED, width)
    mask.setflags(write=False)  # it is shared by all who ask
    return mask


def _columns(seed: tuple[int, int], width: int) -> np.ndarray:
    # AlgoPerf cuts where the original rule of fastMRI rounds (Zbontar et al. 2018, section 6.2).
    central = int(width * CENTRE_FRACTION)
    probability = np.float32((width / ACCELERATION - central) / (width - central))
    mask = uniform(seed, width) < probability
    start = (width - central + 1) // 2
    mask[start : start + central] = True
    return mask


def uniform(seed: tuple[int, int], size: int) -> np.ndarray:
    """TensorFlow's `stateless_uniform`: float32 (size,) in [0, 1)."""
    # A row of four words of 32 bits is a counter.
    scrambled = philox(np.array([_words(seed[0]) + _words(seed[1])], np.uint64), _SCRAMBLER)[0]
    counters = np.zeros((-(-size // 4), 4), np.uint64)
    counters[:, 0] = np.arange(len(counters))
    counters[:, 2:] = scrambled[2:]
    words = philox(counters, (int(scrambled[0]), int(scrambled[1]))).ravel()[:size]
    bits = (words.astype(np.uint32) & np.uint32(_MANTISSA)) | np.uint32(_ONE)
    return bits.view(np.float32) - np.float32(1)


def philox(counters: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Philox4x32-10 of counters (n, 4): words below 2^32, uint64 (n, 4)."""
    x0, x1, x2, x3 = counters.T.copy()
    k0, k1 = (np.uint64(part) for part in key)
    for _ in range(_ROUNDS):
        left, right = x0 * _MULTIPLIERS[0], x2 * _MULTIPLIERS[1]
        x0, x1, x2, x3 = (
            (right >> _SHIFT) ^ x1 ^ k0,
            right & _LOW,
            (left >> _SHIFT) ^ x3 ^ k1,
            left & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return np.stack([x0, x1, x2, x3], axis=1)


def _words(number: int) -> list[int]:
    """The low and the high word of a number of 64 bits."""
    return [number & 0xFFFFFFFF, (number >> 32) & 0xFFFFFFFF]
