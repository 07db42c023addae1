"""RandAugment's operations against Pillow's, and AlgoPerf's accidents."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from workloads.imagenet_pictures import rand_augment


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(3)
    small = rng.integers(20, 200, (9, 9, 3), np.uint8)
    large = Image.fromarray(small).resize((224, 224), Image.Resampling.BILINEAR)
    return np.array(large)


def test_operations_are_those_of_algoperf(picture):
    assert len(rand_augment.OPERATIONS) == 16
    for name, operation in rand_augment.OPERATIONS.items():
        changed = operation(picture, np.random.default_rng(0))
        assert changed.shape == picture.shape, name
        assert changed.dtype == np.uint8, name
        assert (changed != picture).any(), f"{name} changes nothing"


@pytest.mark.parametrize(
    ("operation", "of_pillow", "tolerance"),
    [
        (rand_augment.auto_contrast, ImageOps.autocontrast, 1),
        (rand_augment.equalize, ImageOps.equalize, 0),
        (rand_augment.posterize, lambda x: ImageOps.posterize(x, 4), 0),
        # Pillow rounds where TensorFlow cuts, and blends with what it rounded.
        (rand_augment.colour, lambda x: ImageEnhance.Color(x).enhance(1.9), 2),
        (rand_augment.sharpness, lambda x: ImageEnhance.Sharpness(x).enhance(1.9), 2),
        (
            lambda x: rand_augment.OPERATIONS["Brightness"](x, None),
            lambda x: ImageEnhance.Brightness(x).enhance(1.9),
            1,
        ),
    ],
    ids=["auto_contrast", "equalize", "posterize", "colour", "sharpness", "brightness"],
)
def test_operations_agree_with_pillow(picture, operation, of_pillow, tolerance):
    expected = np.array(of_pillow(Image.fromarray(picture))).astype(int)
    assert np.abs(operation(picture) - expected).max() <= tolerance


def test_solarize_inverts_everything(picture):
    found = rand_augment.OPERATIONS["Solarize"](picture, np.random.default_rng(0))
    np.testing.assert_array_equal(found, 255 - picture)


def test_contrast_blends_with_a_constant(picture):
    # 224 x 224 / 256 = 196, whatever is on the picture.
    expected = (196 + 1.9 * (picture.astype(np.float64) - 196)).clip(0, 255)
    assert np.abs(rand_augment.contrast(picture) - expected).max() <= 1


def test_solarize_add_brightens_what_is_dark():
    picture = np.array([[[0, 127, 128]]], np.uint8)
    np.testing.assert_array_equal(rand_augment.solarize_add(picture), [[[110, 237, 128]]])


def test_geometry_fills_with_grey(picture):
    right = rand_augment.moved(picture, (1, 0, -100), (0, 1, 0))
    np.testing.assert_array_equal(right[:, 100:], picture[:, :124])
    assert (right[:, :100] == 128).all()
    sheared = rand_augment.moved(picture, (1, 0.3, 0), (0, 1, 0))
    np.testing.assert_array_equal(sheared[0], picture[0])
    np.testing.assert_array_equal(sheared[10, :200], picture[10, 3:203])
    quarter = rand_augment.rotated(picture, np.pi / 2)
    assert (quarter == np.rot90(picture, -1)).mean() > 0.98 or (
        quarter == np.rot90(picture)
    ).mean() > 0.98


def test_cutout_is_a_square_of_eighty_pixels():
    white = np.full((224, 224, 3), 255, np.uint8)
    sizes = [
        (rand_augment.cutout(white, np.random.default_rng(seed)) == 128).all(axis=-1).sum()
        for seed in range(40)
    ]
    assert max(sizes) == 80 * 80
    assert min(sizes) >= 40 * 40


def test_operations_are_drawn_evenly(picture, monkeypatch):
    seen = dict.fromkeys(rand_augment.OPERATIONS, 0)

    def counted(name):
        def operation(picture, rng):
            seen[name] += 1
            return picture

        return operation

    monkeypatch.setattr(rand_augment, "OPERATIONS", {name: counted(name) for name in seen})
    rng = np.random.default_rng(1)
    for _ in range(1600):
        rand_augment.rand_augment(picture, rng)
    # 200 each are expected, with a deviation of 14.
    assert min(seen.values()) > 140
    assert max(seen.values()) < 260
