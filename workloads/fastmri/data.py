"""Scans of random bodies of ellipsoids, of which a quarter of the k-space columns was measured.

A body is drawn in the manner of the Shepp-Logan phantom (Shepp and Logan 1974): a rim, a filling
and ellipsoids of random place, turn, contrast and texture in it. A volume is a few neighbouring
slices of one body; no body occurs in two splits, as every split has its own random streams.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from algoperf_lite.storage import cache

SIZE = 32  # pixels along each axis
SLICES = 4  # of a volume
BLOCK_VOLUMES = 32  # volumes are made block by block, each from its own seed
SPLIT_BLOCKS = {"train": 96, "validation": 1, "test": 1}
ACCELERATION = 4  # one column in so many is measured, on average
CENTRE_FRACTION = 0.08  # of the columns, the lowest frequencies, are always measured

_VERSION = 1  # of the cached bytes
_SEED = 20_260_104  # fixed for ever: targets are calibrated on these bytes
_CLIP = 6.0  # of normalised pixels, as in AlgoPerf
_SLICE_DISTANCE = 0.06  # half the field of view is 1
_NUM_ELLIPSOIDS = 16  # in the filling
_RIM = (0.06, 0.16)  # thickness
_RADIUS = (0.06, 0.4)  # of an ellipsoid along an axis; small ones are more frequent
_CONTRAST = (0.15, 0.6)  # of an ellipsoid against what it lies in
_PERIOD = (2.5, 5.0)  # of stripes, in pixels
_STRIPES = 0.8  # how deep they are in an ellipsoid that has them
_PHASE = (1.5, 1.0)  # radians at the edge of the picture: of linear and of quadratic terms
_NOISE = 0.02  # standard deviation of a pixel's real and imaginary part

Numbers = np.ndarray  # (volumes,) or rows of them, float32
Volumes = np.ndarray  # (volumes, slices, pixels), float32


class Scan(NamedTuple):
    """Slices of a block of volumes, before they are normalised."""

    targets: np.ndarray  # (volumes, slices, size, size) magnitudes of the whole k-space
    inputs: np.ndarray  # the same shape, of the columns that were measured, others zero
    masks: np.ndarray  # (volumes, slices, size) bool, which columns were measured


@functools.cache
def examples(split: str) -> dict[str, np.ndarray]:
    """Slices of a split, volume after volume, normalised like AlgoPerf's.

    'inputs' and 'targets' (n, 32, 32) are float16, less `mean` and over `std` (n,) of the
    slice's input; 'volume_max' (n,) is the largest magnitude of its volume. These are float32.
    """

    def generate() -> dict[str, np.ndarray]:
        blocks = [_normalised(scan(split, i)) for i in range(SPLIT_BLOCKS[split])]
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}

    return cache.arrays(f"fastmri-{_VERSION}-{split}", generate)


def scan(split: str, block: int) -> Scan:
    """The scans of one block of a split: the same numbers every time."""
    stream = list(SPLIT_BLOCKS).index(split)
    rng = np.random.default_rng(np.random.SeedSequence((_SEED, stream, block)))
    # A scanner's image is complex: smooth phases keep its k-space from being symmetric, which
    # would let half of it be inferred from the other half.
    magnitudes = _bodies(rng).reshape(BLOCK_VOLUMES, SLICES, SIZE, SIZE)
    kspace = _fft(magnitudes * np.exp(1j * _phases(rng)))
    noise = rng.standard_normal((2, *kspace.shape))
    kspace += _NOISE * (noise[0] + 1j * noise[1])
    masks = column_masks(rng, kspace.shape[:-2])
    measured = np.where(masks[..., None, :], kspace, 0)
    return Scan(np.abs(_ifft(kspace)), np.abs(_ifft(measured)), masks)


def column_masks(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Which columns are measured (*shape, size): the central ones, of the others a random part.

    The rule of fastMRI's `RandomMaskFunc` (Zbontar et al. 2018, section 6.2).
    """
    central = round(SIZE * CENTRE_FRACTION)
    probability = (SIZE / ACCELERATION - central) / (SIZE - central)
    masks = rng.random((*shape, SIZE)) < probability
    start = (SIZE - central + 1) // 2
    masks[..., start : start + central] = True
    return masks


def _normalised(scan: Scan) -> dict[str, np.ndarray]:
    """The model's inputs and targets of a block, slices along the leading axis."""
    mean = scan.inputs.mean(axis=(2, 3), keepdims=True)
    std = scan.inputs.std(axis=(2, 3), keepdims=True)
    volume_max = scan.targets.max(axis=(1, 2, 3), keepdims=True)
    images = {
        name: ((image - mean) / std).clip(-_CLIP, _CLIP).astype(np.float16)
        for name, image in (("inputs", scan.inputs), ("targets", scan.targets))
    }
    numbers = {"mean": mean, "std": std, "volume_max": np.broadcast_to(volume_max, mean.shape)}
    return {name: image.reshape(-1, SIZE, SIZE) for name, image in images.items()} | {
        name: number.ravel().astype(np.float32) for name, number in numbers.items()
    }


def _bodies(rng: np.random.Generator) -> Volumes:
    """Magnitudes, 0 to 1, of all slices of a block."""
    turn = _directions(rng)
    outer = _uniform(rng, 0.75, 0.97, 3)
    inner = outer - _uniform(rng, *_RIM)
    rim = _uniform(rng, 0.5, 1.0)
    filling = _expand(_uniform(rng, 0.2, 0.5))
    for _ in range(_NUM_ELLIPSOIDS):
        place = np.sqrt(_uniform(rng, 0, 0.7)) * _directions(rng) * inner[:2]
        centre = (*_rotated(place, turn), _uniform(rng, -0.2, 0.2))
        low, high = _RADIUS
        radii = low + (high - low) * _uniform(rng, 0, 1, 3) ** 2
        contrast = _uniform(rng, *_CONTRAST) * _coins(rng, -1, 1)
        pattern = 1 - _expand(_coins(rng, 0, _STRIPES)) * _stripes(rng)
        inside = _inside(centre, radii, _directions(rng))
        filling = filling + inside * (_expand(contrast) * pattern)
    origin = np.zeros_like(outer)
    within = _inside(origin, inner, turn)
    ring = _expand(rim) * (_inside(origin, outer, turn) - within)
    return ring + within * filling.clip(0, 1)


def _inside(centre: Sequence[Numbers], radii: Numbers, turn: Numbers) -> Volumes:
    """1 inside an ellipsoid per volume, 0 outside, in between at its edge of one pixel.

    Args:
      centre, radii: x, y and z, each (volumes,).
      turn: direction (2, volumes) of the first axis, in the plane.
    """
    x, y = (axis - at[:, None] for axis, at in zip(_grid(), centre[:2], strict=True))
    x, y = _rotated((x, y), (turn[0][:, None], -turn[1][:, None]))
    plane = (x / radii[0][:, None]) ** 2 + (y / radii[1][:, None]) ** 2
    z = (np.arange(SLICES, dtype=np.float32) - (SLICES - 1) / 2) * _SLICE_DISTANCE
    height = ((z - centre[2][:, None]) / radii[2][:, None]) ** 2
    level = np.sqrt(plane[:, None] + height[..., None])
    pixels = np.minimum(radii[0], radii[1]) * (SIZE / 2)
    return ((1 - level) * _expand(pixels) + 0.5).clip(0, 1)


def _stripes(rng: np.random.Generator) -> np.ndarray:
    """Triangle waves (volumes, 1, pixels) between 0 and 1 across a random direction."""
    along, _ = _rotated(_grid(), _directions(rng)[..., None])
    waves = along * (SIZE / 2) / _uniform(rng, *_PERIOD)[:, None] + _uniform(rng, 0, 1)[:, None]
    return np.abs(2 * (waves - np.floor(waves)) - 1)[:, None]


def _phases(rng: np.random.Generator) -> np.ndarray:
    """Smooth phases (volumes, 1, size, size) in radians: random quadratic polynomials."""
    x, y = (axis.astype(np.float64) for axis in _grid())
    linear, quadratic = _PHASE
    scales = np.array([np.pi, linear, linear, quadratic, quadratic, quadratic])
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    weights = scales * rng.uniform(-1, 1, (BLOCK_VOLUMES, len(scales)))
    phases = sum(weights[:, i, None] * terms[i] for i in range(len(scales)))
    return phases.reshape(BLOCK_VOLUMES, 1, SIZE, SIZE)


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """x and y of all pixels, each (pixels,), from -1 to 1."""
    ticks = (np.arange(SIZE, dtype=np.float32) + 0.5) * (2 / SIZE) - 1
    return np.tile(ticks, SIZE), np.repeat(ticks, SIZE)


def _rotated(point: Sequence[np.ndarray], turn: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """(x, y) after the turn that takes the x axis to the direction `turn`."""
    (x, y), (c, s) = point, turn
    return c * x - s * y, s * x + c * y


def _directions(rng: np.random.Generator) -> Numbers:
    angle = rng.uniform(0, 2 * np.pi, BLOCK_VOLUMES)
    return np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


# The order of draws is the data: another order, or other types, would be another data set.
def _uniform(rng: np.random.Generator, low: float, high: float, *rows: int) -> Numbers:
    return low + (high - low) * rng.random((*rows, BLOCK_VOLUMES), np.float32)


def _coins(rng: np.random.Generator, tails: float, heads: float) -> Numbers:
    return np.where(rng.random(BLOCK_VOLUMES) < 0.5, tails, heads).astype(np.float32)


def _expand(numbers: Numbers) -> np.ndarray:
    return numbers[:, None, None]


def _fft(images: np.ndarray) -> np.ndarray:
    """Unitary two-dimensional transform, the zero frequency in the middle."""
    shifted = np.fft.ifftshift(images, axes=(-2, -1))
    return np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1))


def _ifft(kspace: np.ndarray) -> np.ndarray:
    shifted = np.fft.ifftshift(kspace, axes=(-2, -1))
    return np.fft.fftshift(np.fft.ifft2(shifted, norm="ortho"), axes=(-2, -1))
