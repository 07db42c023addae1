"""RandAugment (Cubuk et al. 2020) on bytes, with the strengths and the accidents of AlgoPerf's.

AlgoPerf always takes the greatest magnitude. Two of its operations do what nobody meant: solarize
inverts everything, since its threshold of 256 is 0 in a byte, and contrast blends with a constant.
Both are kept, as its targets rest on them.
"""

from collections.abc import Callable

import numpy as np

Picture = np.ndarray  # uint8 (height, width, 3)

NUM_LAYERS = 2

_EMPTY = 128  # pixels that a change of geometry leaves empty
_ROTATION = np.pi / 6
_SHEAR = 0.3
_SHIFT = 100  # pixels
_ENHANCEMENT = 1.9
_POSTERIZE_BITS = 4
_CUTOUT = 40  # half a side, pixels
_ADDITION, _ADDED_BELOW = 110, 128
_GREY = np.float32([0.2989, 0.587, 0.114])


def rand_augment(picture: Picture, rng: np.random.Generator) -> Picture:
    """A picture after two operations, each drawn from all sixteen."""
    operations = list(OPERATIONS.values())
    for choice in rng.integers(len(operations), size=NUM_LAYERS):
        picture = operations[choice](picture, rng)
    return picture


def auto_contrast(picture: Picture) -> Picture:
    """Each channel stretched to the whole range."""
    return np.stack([_stretched(picture[..., i]) for i in range(picture.shape[-1])], axis=-1)


def _stretched(channel: np.ndarray) -> np.ndarray:
    low, high = np.float32(channel.min()), np.float32(channel.max())
    if low == high:
        return channel
    scale = np.float32(255) / (high - low)
    table = np.arange(256, dtype=np.float32) * scale - low * scale
    return table.clip(0, 255).astype(np.uint8)[channel]


def equalize(picture: Picture) -> Picture:
    """Each channel with a flat histogram, as Pillow makes it."""
    channels = [_equalized(picture[..., i]) for i in range(picture.shape[-1])]
    return np.stack(channels, axis=-1)


def _equalized(channel: np.ndarray) -> np.ndarray:
    counts = np.bincount(channel.ravel(), minlength=256)
    step = (channel.size - counts[np.flatnonzero(counts)[-1]]) // 255
    if step == 0:
        return channel
    table = (np.cumsum(counts) - counts + step // 2) // step
    return table.clip(0, 255).astype(np.uint8)[channel]


def posterize(picture: Picture) -> Picture:
    """The highest bits of each pixel."""
    shift = 8 - _POSTERIZE_BITS
    return picture >> shift << shift


def blended(other: np.ndarray | float, picture: Picture) -> Picture:
    """Away from `other`, through the picture and beyond."""
    away = other + np.float32(_ENHANCEMENT) * (picture.astype(np.float32) - other)
    return away.clip(0, 255).astype(np.uint8)


def colour(picture: Picture) -> Picture:
    """More saturated."""
    return blended(_grey(picture)[..., None], picture)


def contrast(picture: Picture) -> Picture:
    """Away from the number of pixels over 256, which was meant to be the mean grey."""
    height, width, _ = picture.shape
    return blended(np.float32(int(min(height * width / 256, 255))), picture)


def sharpness(picture: Picture) -> Picture:
    """Away from a smoothed picture; the outermost pixels stay as they are."""
    pixels = picture.astype(np.float32)
    # The kernel is 1 everywhere and 5 in the middle, over 13.
    rows = pixels[:-2] + pixels[1:-1] + pixels[2:]
    smooth = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4 * pixels[1:-1, 1:-1]
    other = picture.copy()
    other[1:-1, 1:-1] = (smooth / 13).clip(0, 255).astype(np.uint8)
    return blended(other.astype(np.float32), picture)


def solarize_add(picture: Picture) -> Picture:
    """Dark pixels brighter."""
    added = np.minimum(picture.astype(np.int32) + _ADDITION, 255).astype(np.uint8)
    return np.where(picture < _ADDED_BELOW, added, picture)


def cutout(picture: Picture, rng: np.random.Generator) -> Picture:
    """A grey square anywhere, cut at the border."""
    row, column = (int(rng.integers(size)) for size in picture.shape[:2])
    cut = picture.copy()
    cut[max(0, row - _CUTOUT) : row + _CUTOUT, max(0, column - _CUTOUT) : column + _CUTOUT] = _EMPTY
    return cut


def rotated(picture: Picture, angle: float) -> Picture:
    """Turned about the centre by an angle in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    y, x = ((size - 1) / 2 for size in picture.shape[:2])
    return moved(picture, (cos, -sin, x - cos * x + sin * y), (sin, cos, y - sin * x - cos * y))


Row = tuple[float, float, float]


def moved(picture: Picture, x_row: Row, y_row: Row) -> Picture:
    """The picture whose pixel (x, y) shows the old one at x' = a x + b y + c; nearest pixel.

    Args:
      x_row, y_row: (a, b, c) of x' and of y'.
    """
    height, width, _ = picture.shape
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    columns, rows = (
        np.floor(np.float32(a) * x + np.float32(b) * y + np.float32(c + 0.5)).astype(np.int32)
        for a, b, c in (x_row, y_row)
    )
    is_inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    shown = picture[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return np.where(is_inside[..., None], shown, np.uint8(_EMPTY))


def _grey(picture: Picture) -> np.ndarray:
    """TensorFlow's `rgb_to_grayscale`: float32 (height, width) of whole numbers."""
    # TensorFlow goes through 0..1 and back, cutting at 255.5 times that.
    grey = (picture * np.float32(1 / 255)) @ _GREY
    return np.floor(grey * np.float32(255.5))


def _signed(rng: np.random.Generator, size: float) -> float:
    return size if rng.random() < 0.5 else -size


# By AlgoPerf's names. Each is from a picture and its random numbers to a picture.
OPERATIONS: dict[str, Callable[[Picture, np.random.Generator], Picture]] = {
    "AutoContrast": lambda x, rng: auto_contrast(x),
    "Equalize": lambda x, rng: equalize(x),
    "Invert": lambda x, rng: 255 - x,
    "Rotate": lambda x, rng: rotated(x, _signed(rng, _ROTATION)),
    "Posterize": lambda x, rng: posterize(x),
    "Solarize": lambda x, rng: 255 - x,
    "Color": lambda x, rng: colour(x),
    "Contrast": lambda x, rng: contrast(x),
    "Brightness": lambda x, rng: blended(np.float32(0), x),
    "Sharpness": lambda x, rng: sharpness(x),
    "ShearX": lambda x, rng: moved(x, (1, _signed(rng, _SHEAR), 0), (0, 1, 0)),
    "ShearY": lambda x, rng: moved(x, (1, 0, 0), (_signed(rng, _SHEAR), 1, 0)),
    "TranslateX": lambda x, rng: moved(x, (1, 0, _signed(rng, _SHIFT)), (0, 1, 0)),
    "TranslateY": lambda x, rng: moved(x, (1, 0, 0), (0, 1, _signed(rng, _SHIFT))),
    "Cutout": cutout,
    "SolarizeAdd": lambda x, rng: solarize_add(x),
}
