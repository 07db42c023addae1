"""Rectangles cut out of pictures: TensorFlow's random ones, and the centre for evaluation."""

from typing import NamedTuple

import numpy as np

_SIZE, _PADDING = 224, 32  # of AlgoPerf's centre crop: 224 / 256 of the shorter side
_ATTEMPTS = 10
_ASPECTS = (0.75, 4 / 3)  # width over height
_MIN_AREA, _MAX_AREA = 0.08, 1.0  # of the picture
# The object that a crop must show a tenth of is the whole picture, so this is the true least area.
_MIN_COVERED = 0.1
_EPSILON = 1e-7


class Crop(NamedTuple):
    """A rectangle in pixels."""

    top: int
    left: int
    height: int
    width: int


def centre(height: int, width: int) -> Crop:
    """The square that is evaluated, and that is taken where no random crop was found."""
    side = int(np.float32(_SIZE / (_SIZE + _PADDING)) * np.float32(min(height, width)))
    return Crop((height - side + 1) // 2, (width - side + 1) // 2, side, side)


def random(height: int, width: int, rng: np.random.Generator) -> Crop:
    """A crop as AlgoPerf trains with.

    The attempts of TensorFlow's kernel (sample_distorted_bounding_box_op.cc)
    with the whole picture as the only box.
    """
    for _ in range(_ATTEMPTS):
        found = _attempt(height, width, rng)
        if found is not None:
            # AlgoPerf takes a crop of the picture's own size for a sign of failure.
            is_whole = found.height == height and found.width == width
            return centre(height, width) if is_whole else found
    return centre(height, width)


def _attempt(height: int, width: int, rng: np.random.Generator) -> Crop | None:
    aspect = rng.uniform(*_ASPECTS)
    least, most = _MIN_AREA * height * width, _MAX_AREA * height * width
    low, high = round((least / aspect) ** 0.5), round((most / aspect) ** 0.5)
    if round(high * aspect) > width:
        high = int((width + 0.5 - _EPSILON) / aspect)
        high -= round(high * aspect) > width
    high = min(high, height)
    low = min(low, high)
    tall = low + int(rng.integers(high - low + 1))
    # Rounding may have made the area too small or too large by a row.
    tall += tall * round(tall * aspect) < least
    tall -= tall * round(tall * aspect) > most
    wide = round(tall * aspect)
    fits = 0 < wide <= width and 0 < tall <= height and least <= tall * wide <= most
    if not fits or tall * wide < _MIN_COVERED * height * width:
        return None
    # TensorFlow's upper bound is exclusive: the last place is never taken.
    top = int(rng.integers(height - tall)) if tall < height else 0
    left = int(rng.integers(width - wide)) if wide < width else 0
    return Crop(top, left, tall, wide)
