"""From k-space to what the U-Net sees: zero-filled reconstruction and normalisation."""

from typing import NamedTuple

import numpy as np
import scipy.fft

_CLIP = 6.0  # of normalised pixels, as in AlgoPerf


class Example(NamedTuple):
    """A slice as the model takes it."""

    inputs: np.ndarray  # (size, size) float32
    targets: np.ndarray  # (size, size) float32
    mean: np.float32  # of the input's magnitudes, in the scanner's units
    std: np.float32


def example(kspace: np.ndarray, target: np.ndarray, mask: np.ndarray) -> Example:
    """A slice with the measured columns only.

    Both images are normalised by mean and deviation of the input, since nobody knows the target's.

    Args:
      kspace: complex64 (height, width).
      target: float32 (size, size), the image of the whole k-space.
      mask: bool (width,), the columns that count as measured.
    """
    image = zero_filled(kspace, mask, target.shape[-1])
    mean, std = image.mean(dtype=np.float64), image.std(dtype=np.float64)
    scale = std or 1.0  # an empty slice would be NaN, and the whole batch with it
    inputs, targets = (
        ((picture - np.float32(mean)) / np.float32(scale)).clip(-_CLIP, _CLIP)
        for picture in (image, target)
    )
    return Example(inputs, targets, np.float32(mean), np.float32(scale))


def zero_filled(kspace: np.ndarray, mask: np.ndarray, size: int) -> np.ndarray:
    """Magnitudes float32 (size, size) of the centre, with the columns not measured set to zero.

    A centred orthonormal inverse transform of both axes.
    """
    height, width = kspace.shape
    # Columns of zeros stay zeros, and rows that are cut off afterwards need no second transform:
    # together they are five sixths of the work.
    measured = np.flatnonzero(mask)
    columns = np.fft.ifftshift(kspace[:, measured], axes=0)
    columns = np.fft.fftshift(scipy.fft.ifft(columns, axis=0, norm="ortho"), axes=0)
    top, left = (height - size) // 2, (width - size) // 2
    rows = np.zeros((size, width), np.complex64)
    # `ifftshift` of the other axis, for the measured columns alone.
    rows[:, (measured - width // 2) % width] = columns[top : top + size]
    image = np.fft.fftshift(scipy.fft.ifft(rows, axis=1, norm="ortho"), axes=1)
    return np.abs(image[:, left : left + size])
