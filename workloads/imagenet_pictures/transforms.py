"""From a decoded picture to the 224 x 224 bytes that a model sees.

AlgoPerf keeps resized pixels as float32 for its ResNet, a little beyond 0..255. Here they travel
to the device as bytes, a quarter as much, which is within what AlgoPerf's own two pipelines differ.
"""

from collections.abc import Callable

import numpy as np

from workloads.imagenet_pictures import bicubic, crops
from workloads.imagenet_pictures.rand_augment import rand_augment

SIZE = 224

# From a picture uint8 (height, width, 3) and its random numbers to bytes (SIZE, SIZE, 3).
Transform = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def centre_crop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What is evaluated; nothing is random."""
    del rng
    return np.rint(_resized(picture, crops.centre(*picture.shape[:2]))).astype(np.uint8)


def random_crop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What ResNet trains with: a random crop, half of them mirrored."""
    return np.rint(_cropped_and_flipped(picture, rng)).astype(np.uint8)


def augmented(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What ViT trains with: a random crop, mirrored or not, and RandAugment."""
    # Cut, not rounded: AlgoPerf casts here.
    return rand_augment(_cropped_and_flipped(picture, rng).astype(np.uint8), rng)


def _cropped_and_flipped(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    resized = _resized(picture, crops.random(*picture.shape[:2], rng))
    return resized[:, ::-1] if rng.random() < 0.5 else resized


def _resized(picture: np.ndarray, crop: crops.Crop) -> np.ndarray:
    """Pixels float32 within 0..255."""
    rows, columns = (
        slice(start, start + size)
        for start, size in ((crop.top, crop.height), (crop.left, crop.width))
    )
    return bicubic.resize(picture[rows, columns], SIZE).clip(0, 255)
