"""Drawn pictures in place of ImageNet's: one textured shape in a cluttered, noisy, lit scene.

A class is a shape with a texture. Everything else varies: pose, colours, background, clutter,
occlusion, lighting and noise. Pictures are drawn with sums, products and roots alone (no sine, no
matrix product), which every processor rounds alike.
"""

import functools
from collections.abc import Callable

import numpy as np

from algoperf_lite.storage import cache

SIZE = 16  # pixels along each axis
BLOCK_PICTURES = 256  # pictures are drawn block by block, each from its own seed
SPLIT_BLOCKS = {"train": 160, "validation": 4, "test": 4}
SHAPES = ("disc", "square", "triangle", "cross")
TEXTURES = ("plain", "striped", "checked", "rimmed")
NUM_CLASSES = len(SHAPES) * len(TEXTURES)

_VERSION = 2  # of the cached bytes
_SEED = 20_260_103  # fixed for ever: targets are calibrated on these bytes
_RADIUS = (5.0, 7.5)  # of the object, in pixels
_OFF_CENTRE = 2.0  # pixels
_PERIOD = (3.5, 5.0)  # of a texture, in pixels
_RIM = 1.5  # pixels
_CLUTTER_RADIUS = (1.0, 2.5)
_TILT = 0.4  # tangent of the largest angle
_DARK, _BRIGHT = (0.1, 0.5), (0.5, 0.9)  # shade of ground and second colour; of the first
_TINT = 0.2  # of a channel
_SHADE = (0.5, 1.0)  # light at the darkest end of a picture
_NOISE = (0.0, 0.08)  # standard deviation

Plane = np.ndarray  # (pictures, pixels), float32


def class_name(label: int) -> str:
    """Such as 'striped square'."""
    shape, texture = divmod(label, len(TEXTURES))
    return f"{TEXTURES[texture]} {SHAPES[shape]}"


@functools.cache
def examples(split: str) -> dict[str, np.ndarray]:
    """{'inputs': (n, 16, 16, 3) uint8, 'targets': (n,) int32 in 0..15}, as many of each class."""
    stream = list(SPLIT_BLOCKS).index(split)

    def generate() -> dict[str, np.ndarray]:
        blocks = [_block((_SEED, stream, i)) for i in range(SPLIT_BLOCKS[split])]
        inputs, targets = (np.concatenate(part) for part in zip(*blocks, strict=True))
        return {"inputs": inputs, "targets": targets}

    return cache.arrays(f"imagenet_pictures-{_VERSION}-{split}", generate)


def _block(seed: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(pictures, labels) of one block."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    labels = rng.permutation(np.arange(BLOCK_PICTURES, dtype=np.int32) % NUM_CLASSES)
    shapes, textures = np.divmod(labels, len(TEXTURES))
    image = _plain(_colours(rng, *_DARK))
    _paint(image, _ramp(rng), _colours(rng, *_DARK))
    _paint_clutter(rng, image)  # behind the object

    x, y = _pose(rng, _OFF_CENTRE)
    radius = _uniform(rng, *_RADIUS)
    distance = radius * _select(SHAPES, _DISTANCES, shapes, x / radius, y / radius)
    texture = _select(TEXTURES, _PATTERNS, textures, *_texture_axes(rng, x, y), distance)
    painted = _plain(_colours(rng, *_BRIGHT))
    _paint(painted, texture, _colours(rng, *_DARK))
    image += _inside(distance)[:, None] * (painted - image)

    _paint_clutter(rng, image)  # in front of the object
    image *= 1 - (1 - _uniform(rng, *_SHADE))[:, None] * _ramp(rng)[:, None]
    image += _uniform(rng, *_NOISE)[:, None] * rng.standard_normal(image.shape, np.float32)
    pixels = np.rint(255 * image.clip(0, 1)).astype(np.uint8)
    return np.moveaxis(pixels.reshape(-1, 3, SIZE, SIZE), 1, -1).copy(), labels


# --- geometry: local coordinates, signed distances, patterns ------------------------------------


def _pose(rng: np.random.Generator, off_centre: float) -> tuple[Plane, Plane]:
    """Pixel coordinates about a random centre, along random axes."""
    row, column = np.divmod(np.arange(SIZE**2, dtype=np.float32), np.float32(SIZE))
    centre_x, centre_y = (_uniform(rng, -off_centre, off_centre) + SIZE / 2 - 0.5 for _ in "xy")
    return _rotated(rng, column - centre_x, row - centre_y)


def _rotated(rng: np.random.Generator, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Coordinates along axes turned by a random angle."""
    tan = _uniform(rng, -_TILT, _TILT)
    cos = 1 / np.sqrt(1 + tan * tan)
    sin = tan * cos
    return cos * x + sin * y, cos * y - sin * x


def _texture_axes(rng: np.random.Generator, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Coordinates in periods of the texture, with phases of their own."""
    period = _uniform(rng, *_PERIOD)
    u, v = _rotated(rng, x, y)
    return u / period + _uniform(rng, 0, 1), v / period + _uniform(rng, 0, 1)


def _square(x: Plane, y: Plane, half: float = 0.85) -> Plane:
    return np.maximum(abs(x), abs(y)) - np.float32(half)


def _cross(x: Plane, y: Plane) -> Plane:
    x, y, arm = abs(x), abs(y), np.float32(0.38)
    return np.minimum(np.maximum(x - 1, y - arm), np.maximum(x - arm, y - 1))


def _triangle(x: Plane, y: Plane) -> Plane:
    return np.maximum(np.float32(0.8660254) * abs(x) + y / 2, -y) - np.float32(0.62)


_DISTANCES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "disc": lambda x, y: np.sqrt(x * x + y * y) - np.float32(0.95),
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
}


def _wave(t: Plane) -> Plane:
    """A triangle wave of period 1 between -1 and 1."""
    return 4 * abs(t - np.floor(t) - np.float32(0.5)) - 1


# From coordinates in periods and the distance from the edge in pixels, the second colour's share.
_PATTERNS: dict[str, Callable[[Plane, Plane, Plane], Plane]] = {
    "plain": lambda u, v, distance: np.zeros_like(u),
    "striped": lambda u, v, distance: (_wave(u) + np.float32(0.5)).clip(0, 1),
    "checked": lambda u, v, distance: (3 * _wave(u) * _wave(v) + np.float32(0.5)).clip(0, 1),
    "rimmed": lambda u, v, distance: _inside(-distance - np.float32(_RIM)),
}


def _select(names: tuple[str, ...], functions: dict, which: np.ndarray, *planes: Plane) -> Plane:
    """For each picture, its own function of its rows of the planes."""
    out = np.empty_like(planes[0])
    for index, name in enumerate(names):
        rows = which == index
        out[rows] = functions[name](*(plane[rows] for plane in planes))
    return out


def _inside(distance: Plane) -> Plane:
    """Share of a pixel that lies inside, from its centre's signed distance in pixels."""
    return (np.float32(0.5) - distance).clip(0, 1)


def _ramp(rng: np.random.Generator) -> Plane:
    """A plane over the picture, within 0..1 and sloping in a random direction."""
    row, column = np.divmod(np.arange(SIZE**2, dtype=np.float32), np.float32(SIZE))
    x, y = ((at - np.float32(SIZE / 2 - 0.5)) / np.float32(SIZE) for at in (column, row))
    return np.float32(0.5) + _uniform(rng, -1, 1) * x / 2 + _uniform(rng, -1, 1) * y / 2


# --- colour: (pictures, channels), painted on (pictures, channels, pixels) ------------------------


def _paint(image: np.ndarray, share: Plane, colour: np.ndarray) -> None:
    """Mixes a share of a colour into each pixel."""
    image += share[:, None] * (colour[..., None] - image)


def _paint_clutter(rng: np.random.Generator, image: np.ndarray) -> None:
    """A small square anywhere."""
    x, y = _pose(rng, SIZE / 2)
    radius = _uniform(rng, *_CLUTTER_RADIUS)
    _paint(image, _inside(radius * _square(x / radius, y / radius)), _colours(rng))


def _plain(colour: np.ndarray) -> np.ndarray:
    return np.repeat(colour[..., None], SIZE**2, axis=2)


def _colours(rng: np.random.Generator, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    tint = 2 * rng.random((BLOCK_PICTURES, 3), np.float32) - 1
    return _uniform(rng, low, high) + np.float32(_TINT) * tint


def _uniform(rng: np.random.Generator, low: float, high: float) -> Plane:
    """(pictures, 1)"""
    return np.float32(low) + np.float32(high - low) * rng.random((BLOCK_PICTURES, 1), np.float32)
