"""Padded graphs of random molecules with the results of assays, some of them missing."""

import functools

import numpy as np

from algoperf_lite.storage import cache
from workloads.ogbg import assays, molecules
from workloads.ogbg.molecules import ELEMENTS, MAX_BONDS, Molecules, Neighbours

SPLIT_SIZES = {"validation": 1536, "test": 1536, "train": 24_576}
GRAPH = ("inputs", "edges", "senders", "receivers", "n_node", "n_edge")
NODE_FEATURES = len(ELEMENTS) + 2  # one-hot element, bonds, hydrogens
EDGE_FEATURES = 3  # one-hot order
MAX_EDGES = 2 * MAX_BONDS  # every bond in both directions
NUM_TASKS = len(assays.ASSAYS)
NUM_MISSING = 5  # labels of every molecule

_SEED = 20_260_104  # fixed for ever: targets are calibrated on these bytes
_VERSION = 1
_POOL = 29_000  # grown, before doubles and the smallest are dropped


@functools.cache
def examples(split: str) -> dict[str, np.ndarray]:
    """All graphs of a split, padded to one size; A = MAX_ATOMS, E = MAX_EDGES, T = NUM_TASKS.

    {'inputs': (n, A, NODE_FEATURES) int8, 'edges': (n, E, EDGE_FEATURES) int8, 'senders',
    'receivers': (n, E) int8, 'n_node', 'n_edge': (n,) int8, 'targets': (n, T) float32 of 0, 1 and
    NaN for a missing label}.
    """
    stop = np.cumsum(list(SPLIT_SIZES.values()))[list(SPLIT_SIZES).index(split)]
    rows = slice(stop - SPLIT_SIZES[split], stop)
    everything = cache.arrays(f"ogbg-{_VERSION}", lambda: _all_splits(_SEED))
    return {name: values[rows] for name, values in everything.items()}


@functools.cache
def rarest_assays() -> np.ndarray:
    """For each molecule of train the assay that it is positive in and fewest others are, (n,);
    NUM_TASKS for one that no assay says yes to."""
    positive_NxT = examples("train")["targets"] == 1
    rank_T = np.argsort(np.argsort(positive_NxT.sum(axis=0), kind="stable"))
    rarest = np.where(positive_NxT, rank_T, NUM_TASKS).argmin(axis=1)
    return np.where(positive_NxT.any(axis=1), rarest, NUM_TASKS)


def _all_splits(seed: int) -> dict[str, np.ndarray]:
    """The examples of all splits, one after the other."""
    growing, measuring = (np.random.default_rng((seed, stream)) for stream in range(2))
    pool = molecules.grow(growing, _POOL)
    pool = pool.take(np.flatnonzero(pool.num_atoms >= molecules.MIN_ATOMS))
    # Sorting by hash decides the split: equal molecules would have equal hashes, and each hash
    # is kept once, so no molecule is in two splits nor twice in one.
    _, order = np.unique(molecules.keys(pool, molecules.neighbours(pool)), return_index=True)
    kept = pool.take(order[: sum(SPLIT_SIZES.values())])
    near = molecules.neighbours(kept)
    return {
        **_graphs(kept, near),
        "targets": _measured(measuring, assays.labels(kept, near)),
    }


def _graphs(kept: Molecules, near: Neighbours) -> dict[str, np.ndarray]:
    """Molecules as padded arrays of nodes and directed edges; see `examples`."""
    one, other, orders = np.moveaxis(kept.bonds, 2, 0)
    elements = kept.elements[:, :, None] == np.arange(len(ELEMENTS))
    degrees = (near.orders > 0).sum(axis=0)
    nodes = np.concatenate([elements, degrees[:, :, None], kept.hydrogens[:, :, None]], axis=2)
    edges = orders[:, :, None] == np.arange(1, EDGE_FEATURES + 1)
    there_and_back = (len(orders), MAX_EDGES)
    return {
        "inputs": nodes.astype(np.int8),
        "edges": np.repeat(edges, 2, axis=1).astype(np.int8),
        "senders": np.stack([one, other], axis=2).reshape(there_and_back),
        "receivers": np.stack([other, one], axis=2).reshape(there_and_back),
        "n_node": kept.num_atoms.astype(np.int8),
        "n_edge": (2 * kept.num_bonds).astype(np.int8),
    }


def _measured(rng: np.random.Generator, truth: np.ndarray) -> np.ndarray:
    """The labels as float32; NUM_MISSING of each molecule are NaN, of some tasks more often.

    Tasks are drawn without replacement with odds that grow fourfold from the first to the last of
    a random order (largest of Gumbel-perturbed log-odds: Vieira 2014).
    """
    log_odds = rng.permutation(np.linspace(0, np.log(4), truth.shape[1]))
    perturbed = log_odds + rng.gumbel(size=truth.shape)
    missing = np.argpartition(perturbed, -NUM_MISSING, axis=1)[:, -NUM_MISSING:]
    measured = truth.astype(np.float32)
    np.put_along_axis(measured, missing, np.nan, axis=1)
    return measured
