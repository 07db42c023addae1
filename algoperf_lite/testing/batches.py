"""Small batches, and trees of arrays compared bit by bit: the tools of both kinds of checks."""

import jax
import numpy as np

from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.spec import PyTree, Workload

BATCH = 8  # rows: enough for batch statistics, and halves that are unlike


def small_batch(workload: Workload, first: int = 0) -> dict[str, np.ndarray]:
    """`BATCH` rows of the training split, from row `first` on."""
    rows = np.arange(first, first + BATCH)
    return workload.source("train").rows(rows, RowKeys(0, Stream.TRAIN, step=0))


def named_leaves(tree: PyTree) -> list[tuple[str, np.ndarray]]:
    """(path as text, array) of each leaf, for messages that say which one is wrong."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(jax.tree_util.keystr(path), np.asarray(leaf)) for path, leaf in leaves]


def same_bits(one: PyTree, other: PyTree) -> bool:
    """Whether two trees are equal to the last bit; NaN is equal to itself, 0.0 is not to -0.0."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)
