"""Arrays of a training state on the host, and back on the device."""

from collections.abc import Sequence

import jax
import numpy as np

from algoperf_lite.spec import Array, PyTree


class CannotCheckpoint(ValueError):
    """Something that a trial's future depends on cannot be kept."""


def host_arrays(tree: PyTree) -> list[np.ndarray]:
    """The numbers of a tree's arrays on the host; those of a random key are its data."""
    return [_plain(leaf) for leaf in jax.tree.leaves(tree)]


def like(tree: PyTree, leaves: Sequence[np.ndarray]) -> PyTree:
    """The tree of which `host_arrays` gave the leaves; `tree` is one of its form, and says on
    which devices they lie.

    Raises ValueError, one sentence, where the forms differ.
    """
    olds, structure = jax.tree.flatten(tree)
    if len(olds) != len(leaves):
        raise ValueError(f"a checkpoint of {len(leaves)} arrays; the state has {len(olds)}")
    return jax.tree.unflatten(structure, [_as(*pair) for pair in zip(leaves, olds, strict=True)])


def _plain(leaf: Array) -> np.ndarray:
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def _as(numbers: np.ndarray, leaf: Array | np.ndarray) -> Array | np.ndarray:
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        numbers = jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(leaf))
    if (numbers.dtype, numbers.shape) != (leaf.dtype, leaf.shape):
        raise ValueError(
            f"a checkpoint with {numbers.dtype}{list(numbers.shape)} where the state has "
            f"{leaf.dtype}{list(leaf.shape)}"
        )
    return jax.device_put(numbers, leaf.sharding) if isinstance(leaf, jax.Array) else numbers
