"""Bicubic resizing as TensorFlow does it: Keys' kernel, no antialiasing, weights from a table."""

import functools

import numpy as np

_A = -0.5  # Keys 1981, "Cubic convolution interpolation"; OpenCV has -0.75
_TABLE = 1024  # steps of the kernel, to which TensorFlow rounds


def resize(picture: np.ndarray, size: int) -> np.ndarray:
    """A picture of `size` x `size` pixels, neither rounded nor clipped: float32 (size, size, C).

    TensorFlow's `resize` with the method "bicubic".

    Args:
      picture: uint8 (height, width, C).
    """
    height, width, channels = picture.shape
    tall = _resampled(picture.reshape(height, width * channels), size)
    # Columns become rows: to gather rows is fast, to gather three numbers at a time is not.
    columns = tall.reshape(size, width, channels).transpose(1, 0, 2)
    wide = _resampled(columns.reshape(width, size * channels), size)
    return wide.reshape(size, size, channels).transpose(1, 0, 2)


def _resampled(rows: np.ndarray, size: int) -> np.ndarray:
    """Rows (n, m) resampled to float32 (size, m)."""
    total = np.zeros((size, rows.shape[1]), np.float32)
    weighted = np.empty_like(total)
    for index, weight in zip(*_taps(len(rows), size), strict=True):
        total += np.multiply(rows[index], weight[:, None], out=weighted)
    return total


@functools.lru_cache(maxsize=2048)  # there are as many as sizes of crops
def _taps(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """Which four pixels make a new one, int (4, new), and with which weights, float32 (4, new)."""
    centre = (np.arange(new, dtype=np.float32) + np.float32(0.5)) * np.float32(old / new)
    centre -= np.float32(0.5)
    left = np.floor(centre)
    step = np.rint((centre - left) * _TABLE) / _TABLE
    distances = np.stack([1 + step, step, 1 - step, 2 - step])
    indices = left.astype(np.int64) + np.arange(-1, 3)[:, None]
    is_inside = (indices >= 0) & (indices < old)
    # Pixels outside count for nothing, and the others for more.
    weights = np.where(is_inside, _kernel(distances), 0)
    weights /= weights.sum(axis=0)
    return indices.clip(0, old - 1), weights.astype(np.float32)


def _kernel(x: np.ndarray) -> np.ndarray:
    """Weights of pixels at distances within 0..2."""
    near = ((_A + 2) * x - (_A + 3)) * x * x + 1
    far = ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A
    return np.where(x <= 1, near, far)
