"""Batches of graphs by their size: bins of bounded nodes, edges and graphs, filled greedily.

The rule is that of jraph's dynamically_batch, with AlgoPerf's bounds, so a batch holds a varying
number of graphs. A batch is always of the same bins, however many devices share them.
"""

import dataclasses
import functools

import numpy as np

from algoperf_lite.data import packing
from algoperf_lite.data.plan import Plan, permutation

NODES_PER_GRAPH, EDGES_PER_GRAPH = 26, 56  # what a bin has room for, a little below the average
MOST_BINS = 8  # AlgoPerf's devices, each of which fills a bin of its own
NO_GRAPH = -1
_EPOCHS_KEPT = 2  # as `permutation` keeps
_ENDS_KEPT = 4096  # of epochs, each of which is small


@dataclasses.dataclass(frozen=True)
class Bins:
    """The bins of a batch: how many, and the most graphs in one.

    With b graphs a bin has room for 26 b nodes and 56 b edges; a padding graph comes on top.
    """

    number: int
    graphs: int

    @property
    def nodes(self) -> int:
        """The most nodes of one bin's graphs."""
        return NODES_PER_GRAPH * self.graphs

    @property
    def edges(self) -> int:
        """The most directed edges of one bin's graphs."""
        return EDGES_PER_GRAPH * self.graphs


def bins_of(batch_size: int, most_nodes: int, most_edges: int) -> Bins:
    """The most bins, up to eight, that share a batch equally and have room for any one graph.

    Raises ValueError where even a single bin is too small for the largest graph.
    """
    for number in range(MOST_BINS, 0, -1):
        bins = Bins(number, batch_size // number)
        is_whole = batch_size % number == 0
        if is_whole and most_nodes <= bins.nodes and most_edges <= bins.edges:
            return bins
    needed = max(-(-most_nodes // NODES_PER_GRAPH), -(-most_edges // EDGES_PER_GRAPH))
    raise ValueError(
        f"batch size {batch_size} has room for {NODES_PER_GRAPH * batch_size} nodes and "
        f"{EDGES_PER_GRAPH * batch_size} edges, and the largest graph has {most_nodes} and "
        f"{most_edges}; choose at least {needed}"
    )


def borders(nodes: np.ndarray, edges: np.ndarray, bins: Bins) -> np.ndarray:
    """The first graph of each bin, and the end of the last one: int64 (bins + 1,).

    Args:
      nodes, edges: (n,), of the graphs in their order.
    """
    last = np.arange(len(nodes)) + bins.graphs
    return packing.borders([nodes, edges], [bins.nodes, bins.edges], last)


def seen_by_algoperf(nodes: np.ndarray, edges: np.ndarray, batch_size: int) -> int:
    """The leading graphs that AlgoPerf evaluates: those of whole groups of eight bins.

    An incomplete last group is dropped there, so its published targets are of three quarters of
    ogbg's splits. A split without one whole group counts in full.
    """
    found = borders(nodes, edges, Bins(MOST_BINS, batch_size // MOST_BINS))
    whole = (len(found) - 1) // MOST_BINS * MOST_BINS
    return int(found[whole]) if whole else len(nodes)


@dataclasses.dataclass(frozen=True, eq=False)
class TrainBins(Plan):
    """Training order: a permutation per epoch, one epoch after the other in one stream of bins.

    Graphs that fill no whole batch at an epoch's end come first in the next one, so that none is
    ever left out.

    Attributes:
      nodes, edges: (n,), of each graph.
      bins: of a batch.
      seed: of the permutations.
    """

    nodes: np.ndarray
    edges: np.ndarray
    bins: Bins
    seed: int

    @property
    def num_batches(self) -> None:
        """None: epochs follow one another."""
        return None

    def picks(self, t: int) -> np.ndarray:
        """Graphs of each bin: int64 (bins, graphs), NO_GRAPH where a bin is full before."""
        epoch = 0
        # How many batches an epoch has depends on its order, so they are counted.
        while t >= (size := _end(self, epoch)[0]):
            t, epoch = t - size, epoch + 1
        order, found = _epoch(self, epoch)
        return _filled(order, found, t, self.bins)


@dataclasses.dataclass(frozen=True, eq=False)
class EvalBins(Plan):
    """One pass over the graphs in their own order; the last bins may be empty."""

    nodes: np.ndarray
    edges: np.ndarray
    bins: Bins

    @property
    def num_batches(self) -> int:
        """As many as hold all bins."""
        return -(-(len(self._borders) - 1) // self.bins.number)

    def picks(self, t: int) -> np.ndarray:
        """Graphs of each bin: int64 (bins, graphs), NO_GRAPH where there are no more.

        Raises IndexError past the last batch.
        """
        if not 0 <= t < self.num_batches:
            raise IndexError(f"batch {t} of a pass of {self.num_batches}")
        return _filled(np.arange(len(self.nodes)), self._borders, t, self.bins)

    def weights(self, t: int) -> np.ndarray:
        """0 for bins without a graph: float32 (bins,)."""
        return (self.picks(t)[:, 0] != NO_GRAPH).astype(np.float32)

    @functools.cached_property
    def _borders(self) -> np.ndarray:
        return borders(self.nodes, self.edges, self.bins)


def _filled(order: np.ndarray, found: np.ndarray, t: int, bins: Bins) -> np.ndarray:
    """The graphs between the borders of batch t's bins."""
    picks = np.full((bins.number, bins.graphs), NO_GRAPH, np.int64)
    here = found[t * bins.number : (t + 1) * bins.number + 1]
    for row, start, stop in zip(picks, here[:-1], here[1:], strict=False):
        row[: stop - start] = order[start:stop]
    return picks


@functools.lru_cache(maxsize=_EPOCHS_KEPT)
def _epoch(plan: TrainBins, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """The graphs of an epoch's bins in their order, and the bins' borders."""
    left_over = _end(plan, epoch - 1)[1] if epoch else np.zeros(0, np.int64)
    order = np.concatenate([left_over, permutation(len(plan.nodes), plan.seed, epoch)])
    return order, borders(plan.nodes[order], plan.edges[order], plan.bins)


@functools.lru_cache(maxsize=_ENDS_KEPT)
def _end(plan: TrainBins, epoch: int) -> tuple[int, np.ndarray]:
    """Batches of an epoch, and the graphs that it leaves to the next."""
    order, found = _epoch(plan, epoch)
    # Its last bin is still open: the next epoch's first graphs may fit.
    whole = (len(found) - 2) // plan.bins.number
    return whole, order[found[whole * plan.bins.number] :]
