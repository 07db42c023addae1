"""Random changes to a batch of pictures, on the device: crop, flip, RandAugment, mixup.

Pixels are in 0..255. Every change of geometry is one affine map, so that a picture is resampled
once however many there are. Maps are (B, 3, 3) and take a pixel of the new picture, in units of
half its width from its centre, to the place in the old one that it shows.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from algoperf_lite.spec import Array

_CROP = 0.125  # largest shift of a crop, in half widths
_MIXUP_ALPHA = 0.2
_QUANTILES = 1025  # of its distribution
# Strongest changes: half of AlgoPerf's at magnitude 10, because a small picture has less to lose.
_SHEAR, _SHIFT, _ANGLE, _ENHANCE = 0.15, 0.15, np.pi / 12, 0.5
_LEVELS = 4  # of a posterised channel
_SOLARISE = 192  # values from here on are inverted


def crop_and_flip(rng: Array, num_pictures: int) -> jax.Array:
    """Maps (B, 3, 3) of crops out of an edge-padded picture, half of them mirrored."""
    crop_key, flip_key = jax.random.split(rng)
    shift_2xB = _CROP * jax.random.uniform(crop_key, (2, num_pictures), minval=-1.0)
    flip_B = jnp.where(jax.random.bernoulli(flip_key, shape=(num_pictures,)), -1.0, 1.0)
    return _map(shift_2xB[0], shift_2xB[1], xx=flip_B)


def resample(pixels_BxHxWxC: Array, maps_Bx3x3: Array) -> jax.Array:
    """The pictures under the maps: nearest pixel, the edge repeated outside."""
    batch, height, width, channels = pixels_BxHxWxC.shape
    rows, columns = (2 * (np.arange(n) + 0.5) / n - 1 for n in (height, width))
    y_P, x_P = (
        grid.ravel().astype(np.float32) for grid in np.meshgrid(rows, columns, indexing="ij")
    )

    def source(row_Bx3: Array, size: int) -> jax.Array:
        at_BxP = row_Bx3[:, :1] * x_P + row_Bx3[:, 1:2] * y_P + row_Bx3[:, 2:]
        return jnp.clip(jnp.floor((at_BxP + 1) * (size / 2)), 0, size - 1).astype(jnp.int32)

    index_BxP = source(maps_Bx3x3[:, 1], height) * width + source(maps_Bx3x3[:, 0], width)
    flat_BxPxC = pixels_BxHxWxC.reshape(batch, height * width, channels)
    taken_BxPxC = jnp.take_along_axis(flat_BxPxC, index_BxP[..., None], axis=1)
    return taken_BxPxC.reshape(pixels_BxHxWxC.shape)


def random_geometry(choices_KxB: Array, strengths_KxB: Array) -> jax.Array:
    """Maps (B, 3, 3) of the K operations of each picture.

    Choices index `GEOMETRIC`, then `COLOUR`, which leave the geometry alone.
    """
    maps = _map(jnp.zeros(choices_KxB.shape[1]), 0.0)
    for choice_B, strength_B in zip(choices_KxB, strengths_KxB, strict=True):
        is_chosen = [(choice_B == i)[:, None, None] for i in range(len(GEOMETRIC))]
        changed = [maps @ operation(strength_B) for operation in GEOMETRIC.values()]
        maps = jnp.select(is_chosen, changed, maps)
    return maps


def random_colours(pixels: Array, choices_KxB: Array, strengths_KxB: Array) -> jax.Array:
    """Float pictures (B, H, W, C) after those of their K operations that change colours."""
    for choice_B, strength_B in zip(choices_KxB, strengths_KxB, strict=True):
        choice, strength = (v[:, None, None, None] for v in (choice_B, strength_B))
        is_chosen = [choice == len(GEOMETRIC) + i for i in range(len(COLOUR))]
        changed = [operation(pixels, strength) for operation in COLOUR.values()]
        pixels = jnp.select(is_chosen, changed, pixels)
    return pixels


def rand_augment(pixels_BxHxWxC: Array, rng: Array, num_operations: int = 2) -> jax.Array:
    """Float pictures after a crop, a flip and `num_operations` random operations each.

    RandAugment (Cubuk et al. 2020) with random strengths; geometry comes first whatever the order.
    """
    shape_KxB = (num_operations, len(pixels_BxHxWxC))
    crop_key, choice_key, strength_key = jax.random.split(rng, 3)
    choices_KxB = jax.random.randint(choice_key, shape_KxB, 0, len(GEOMETRIC) + len(COLOUR))
    strengths_KxB = jax.random.uniform(strength_key, shape_KxB, minval=-1.0)
    maps = crop_and_flip(crop_key, shape_KxB[1]) @ random_geometry(choices_KxB, strengths_KxB)
    pixels = resample(pixels_BxHxWxC, maps).astype(jnp.float32)
    return random_colours(pixels, choices_KxB, strengths_KxB)


def mixup(pixels: Array, probabilities: Array, rng: Array) -> tuple[jax.Array, jax.Array]:
    """Each picture and its (B, classes) label mixed with its neighbour's (Zhang et al. 2018).

    One weight for the batch, as in AlgoPerf.
    """
    weight = beta_sample(rng, _MIXUP_ALPHA)
    mixed = [weight * x + (1 - weight) * jnp.roll(x, 1, axis=0) for x in (pixels, probabilities)]
    return mixed[0], mixed[1]


def beta_sample(rng: Array, alpha: float) -> jax.Array:
    """A draw from Beta(alpha, alpha), by its quantiles: `jax.random.beta` compiles for a second."""
    levels = np.linspace(0, 1, _QUANTILES)
    quantiles = scipy.stats.beta.ppf(levels, alpha, alpha).astype(np.float32)
    # What `jnp.interp` gives. That searches for the level, in a loop; here levels are even.
    at = jax.random.uniform(rng) * (_QUANTILES - 1)
    below = jnp.floor(at).astype(jnp.int32)
    steps = np.diff(quantiles)
    return jnp.asarray(quantiles)[below] + (at - below) * jnp.asarray(steps)[below]


def _map(x: Array, y: Array | float, xx=1.0, xy=0.0, yx=0.0, yy=1.0) -> jax.Array:
    """Maps (B, 3, 3) to (xx x' + xy y' + x, yx x' + yy y' + y)."""
    rows = [[xx, xy, x], [yx, yy, y], [0.0, 0.0, 1.0]]
    entries = jnp.stack([jnp.broadcast_to(e, x.shape) for row in rows for e in row], axis=-1)
    return entries.reshape(*x.shape, 3, 3)


def _rotation(s: Array) -> jax.Array:
    cos, sin = jnp.cos(_ANGLE * s), jnp.sin(_ANGLE * s)
    return _map(jnp.zeros_like(s), 0.0, cos, -sin, sin, cos)


def _blend(pixels: Array, other: Array | float, s: Array) -> jax.Array:
    """Away from (s > 0) or towards `other`, as PIL's enhancements do."""
    return jnp.clip(other + (1 + _ENHANCE * s) * (pixels - other), 0, 255)


def _grey(pixels: Array) -> jax.Array:
    return pixels @ np.float32([[0.299], [0.587], [0.114]])


# From strengths (B,) in [-1, 1] to maps.
GEOMETRIC: dict[str, Callable[[Array], jax.Array]] = {
    "shear x": lambda s: _map(jnp.zeros_like(s), 0.0, xy=_SHEAR * s),
    "shear y": lambda s: _map(jnp.zeros_like(s), 0.0, yx=_SHEAR * s),
    "shift x": lambda s: _map(_SHIFT * s, 0.0),
    "shift y": lambda s: _map(jnp.zeros_like(s), _SHIFT * s),
    "rotate": _rotation,
}
# From pictures (B, H, W, C) and strengths (B, 1, 1, 1) in [-1, 1] to pictures.
COLOUR: dict[str, Callable[[Array, Array], jax.Array]] = {
    "brightness": lambda x, s: _blend(x, 0.0, s),
    "contrast": lambda x, s: _blend(x, _grey(x).mean(axis=(1, 2, 3), keepdims=True), s),
    "colour": lambda x, s: _blend(x, _grey(x), s),
    "posterise": lambda x, s: jnp.floor(x * (_LEVELS / 256)) * (256 / _LEVELS),
    "solarise": lambda x, s: jnp.where(x < _SOLARISE, x, 255 - x),
}
