"""Digits: shifts of pictures are those of slices at random places; the splits are the file's."""

import jax
import jax.numpy as jnp
import numpy as np

import workloads
from workloads.digits import data


def test_a_shifted_picture_is_a_slice_of_the_one_with_a_wider_edge():
    workload, key = workloads.load("digits"), jax.random.key(5)
    inputs = np.random.default_rng(0).normal(size=(64, 8, 8, 1)).astype(np.float32)
    shifted = workload.augment({"inputs": jnp.asarray(inputs)}, key)["inputs"]
    wide = np.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    places = np.asarray(jax.random.randint(key, (64, 2), 0, 3))
    assert len(np.unique(places, axis=0)) == 9
    for picture, wider, (row, column) in zip(shifted, wide, places, strict=True):
        np.testing.assert_array_equal(picture, wider[row : row + 8, column : column + 8])


def test_the_splits_are_all_of_scikit_learns_digits_read_without_it():
    from sklearn.datasets import load_digits

    theirs, ours = load_digits(), data.splits()
    pictures = np.concatenate([ours[split]["inputs"] for split in data.SPLIT_SIZES])
    targets = np.concatenate([ours[split]["targets"] for split in data.SPLIT_SIZES])
    order = np.random.default_rng(data._SHUFFLE_SEED).permutation(len(theirs.target))
    np.testing.assert_array_equal(targets, theirs.target[order])
    expected = (theirs.images[order, ..., None] - data._MEAN) / data._STDDEV
    np.testing.assert_array_equal(pictures, expected.astype(np.float32))
