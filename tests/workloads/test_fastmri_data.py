"""fastmri: scans of bodies that no two splits share, and scikit-image's SSIM."""

import hashlib
import itertools

import jax
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from workloads.fastmri import data
from workloads.fastmri.ssim import ssim

# Of another process; the targets of the benchmark are set on these bytes.
DATA_SHA256 = "952012d78850bcd3574c489f007c0f00cc86b0794601cfc211c49b079fa72af4"


def images(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def standardised(images_NxP):
    """Rows of mean 0 and length 1: their products are correlations."""
    centred = images_NxP - images_NxP.mean(axis=1, keepdims=True)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def scaled_back(split):
    """(inputs, targets) of a split as magnitudes, float32."""
    examples = data.examples(split)
    mean, std = (examples[name][:, None, None] for name in ("mean", "std"))
    return tuple(examples[name].astype(np.float32) * std + mean for name in ("inputs", "targets"))


def skimage_ssim(one, other, data_range):
    pairs = zip(one, other, data_range, strict=True)
    return [structural_similarity(a, b, win_size=7, data_range=float(r)) for a, b, r in pairs]


# --- data -------------------------------------------------------------------------------------


def test_data_are_the_same_bytes_in_every_process():
    digest = hashlib.sha256()
    for split in data.SPLIT_BLOCKS:
        for array in data.examples(split).values():
            digest.update(array.tobytes())
    assert digest.hexdigest() == DATA_SHA256


def test_no_body_is_in_two_splits_and_a_volume_is_of_one_body():
    """Correlation of pixels does not see the scaling; a second scan of a slice has other noise."""
    random, unit = np.random.default_rng(0), {}
    for split in data.SPLIT_BLOCKS:
        flat = scaled_back(split)[1].reshape(-1, data.SIZE**2)
        unit[split] = standardised(flat)
    again = standardised(flat + 0.02 * random.standard_normal(flat.shape, np.float32))
    same_body = (again * unit["test"]).sum(axis=1).min()
    for one, other in itertools.combinations(unit, 2):
        assert (unit[one] @ unit[other].T).max() < 0.97 < same_body
    volumes = unit["validation"].reshape(-1, data.SLICES, data.SIZE**2)
    neighbours = (volumes[:, 1:] * volumes[:, :-1]).sum(axis=-1)
    assert np.median(neighbours) > 0.95 and neighbours.max() < 0.999  # alike, not equal
    strangers = volumes[:, 0] @ volumes[:, 0].T
    assert np.median(strangers) < 0.7


def test_scans_are_cut_into_splits_by_volume():
    for split, blocks in data.SPLIT_BLOCKS.items():
        slices = blocks * data.BLOCK_VOLUMES * data.SLICES
        assert {len(array) for array in data.examples(split).values()} == {slices}


@pytest.mark.parametrize("split", data.SPLIT_BLOCKS)
def test_slices_are_normalised_by_their_inputs_and_carry_the_maximum_of_the_volume(split):
    examples = data.examples(split)
    inputs = examples["inputs"].astype(np.float64)
    np.testing.assert_allclose(inputs.mean(axis=(1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(inputs.std(axis=(1, 2)), 1, atol=1e-3)
    _, targets = scaled_back(split)
    largest = targets.reshape(-1, data.SLICES * data.SIZE**2).max(axis=1)
    clipped = (examples["targets"] == 6).reshape(len(largest), -1).any(axis=1)
    volume_max = examples["volume_max"].reshape(-1, data.SLICES)
    assert (volume_max == volume_max[:, :1]).all() and clipped.mean() < 0.05
    np.testing.assert_allclose(volume_max[~clipped, 0], largest[~clipped], rtol=2e-3)


def test_columns_of_k_space_are_dropped():
    """Every row of an image loses energy, as only frequencies along rows go; columns gain some."""
    scan = data.scan("train", 5)
    for axis, gains in ((-1, False), (-2, True)):
        before, after = ((image**2).sum(axis=axis) for image in (scan.targets, scan.inputs))
        assert (after > before * (1 + 1e-9)).any() == gains
    energy = (scan.inputs**2).sum() / (scan.targets**2).sum()
    assert 0.6 < energy < 0.95


def test_masks_keep_the_lowest_frequencies_and_a_quarter_in_all():
    masks = data.column_masks(np.random.default_rng(0), (50, 400))
    frequency = np.fft.fftshift(np.fft.fftfreq(data.SIZE, 1 / data.SIZE))
    share = masks.mean(axis=(0, 1))
    assert (share == 1).sum() == round(0.08 * data.SIZE)
    assert set(frequency[share == 1]) == {-1, 0, 1}
    assert masks.mean() == pytest.approx(0.25, abs=0.003)
    np.testing.assert_allclose(share[share < 1], (0.25 * 32 - 3) / 29, atol=0.015)
    scan = data.scan("test", 0)
    assert len(np.unique(scan.masks.reshape(-1, data.SIZE), axis=0)) > 0.9 * scan.masks[..., 0].size


# --- metric ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "one, other",
    [
        (images(0, 3, 32, 32), images(1, 3, 32, 32)),
        (images(0, 2, 20, 41), 0.3 * images(0, 2, 20, 41) + images(1, 2, 20, 41)),  # not square
        (images(0, 2, 32, 32), -images(0, 2, 32, 32)),
        (images(0, 2, 32, 32) - 50, images(1, 2, 32, 32) - 50),
        (images(0, 2, 32, 32), np.full((2, 32, 32), 0.7, np.float32)),
        (np.full((2, 9, 9), 0.2, np.float32), np.full((2, 9, 9), 0.9, np.float32)),
        (np.zeros((2, 9, 9), np.float32), np.zeros((2, 9, 9), np.float32)),
        (images(0, 2, 7, 7), images(1, 2, 7, 7)),  # one window
        (1e4 * images(0, 2, 32, 32), images(1, 2, 32, 32)),
    ],
)
def test_ssim_is_scikit_images(one, other):
    for data_range in (np.linspace(0.05, 4, len(one), dtype=np.float32), np.full(len(one), 1e3)):
        found = jax.jit(ssim)(one, other, data_range)
        expected = skimage_ssim(one.astype(np.float64), other.astype(np.float64), data_range)
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_ssim_of_an_image_with_itself_is_one():
    x = np.concatenate([images(0, 3, 32, 32), np.zeros((1, 32, 32), np.float32)])
    np.testing.assert_allclose(ssim(x, x, np.ones(4, np.float32)), 1, rtol=1e-6)


def test_zero_filled_images_leave_much_to_do():
    volume_max = data.examples("validation")["volume_max"]
    found = np.mean(skimage_ssim(*scaled_back("validation"), volume_max))
    assert found == pytest.approx(0.514, abs=0.001)  # as the README says
