"""A training state as arrays on the host, and back on the device."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, PyTree


class CannotCheckpoint(ValueError):
    """A training state holds something that cannot be written to disk and read back."""


class Snapshot(NamedTuple):
    """Everything that the rest of a training depends on, beside its step.

    Attributes:
      arrays: on the host, in the order of the state's leaves.
      facts: plain data that JSON can hold.
    """

    arrays: Sequence[np.ndarray]
    facts: Mapping[str, Any]


def host_arrays(tree: PyTree) -> list[np.ndarray]:
    """A tree's arrays on the host, in order; a random key becomes its raw data."""
    return [_plain(leaf) for leaf in jax.tree.leaves(tree)]


def copied(tree: PyTree) -> PyTree:
    """The same on the same devices, in memory of its own; compiles nothing where it can."""
    # `jnp.copy` is a program for each shape: a hundred look-ups of a cache for a large model.
    return jax.tree.map(
        lambda leaf: (
            jax.device_put(leaf, leaf.sharding, may_alias=False)
            if leaf.is_fully_addressable
            else jnp.copy(leaf)
        ),
        tree,
    )


def host_copies(tree: PyTree) -> list[np.ndarray]:
    """The same of a tree that goes on being used, and used up."""
    # On a CPU an array on the host is the device's own memory, which a step could then not reuse.
    # One leaf at a time, as a device may have no room for all of them twice.
    leaves = jax.tree.leaves(tree)
    return [array for leaf in leaves for array in host_arrays(copied(leaf))]


def like(tree: PyTree, leaves: Sequence[np.ndarray]) -> PyTree:
    """The tree that `host_arrays` took the leaves from.

    `tree` has the same structure, and its arrays say on which devices the leaves go.
    Raises ValueError where number, shapes or types differ.
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
