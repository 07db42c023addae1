"""ogbg-molpcba at AlgoPerf's scale: molecules packed into bins, read from memory.

Parsed once, the set takes some 200 MB, so any graph is at hand.
"""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from algoperf_lite.data import folders, packing, tfds
from algoperf_lite.data.checks import Check
from algoperf_lite.data.keys import RowKeys
from algoperf_lite.data.look import Look, Text
from algoperf_lite.data.plan import Plan
from algoperf_lite.data.source import DataError, Source, fingerprint_of_files
from workloads.ogbg import molecule_text, molpcba
from workloads.ogbg.bins import (
    EDGES_PER_GRAPH,
    NO_GRAPH,
    NODES_PER_GRAPH,
    EvalBins,
    TrainBins,
    bins_of,
    seen_by_algoperf,
)

_STORED = ("train", "validation", "test")
SPLITS = (*_STORED, "eval_train")
NUM_EXAMPLES = {"train": 350_343, "validation": 43_793, "test": 43_793}  # graphs, as published
NUM_EVAL_TRAIN = 43_793  # the first of train, as many as validate
EVAL_BATCH_SIZE = 32_768  # AlgoPerf's, which decides what it evaluates


def source(folder: Path, split: str) -> Source:
    """The molecules of a split of SPLITS.

    Args:
      folder: the data set's, in TFDS's or OGB's form, or a root of data sets.
    Raises DataError where files are missing.
    """
    if split not in SPLITS:
        raise DataError(f"ogbg has the splits {', '.join(SPLITS)}, and not {split!r}")
    folder = folders.own(folder, "ogbg")
    is_part = split == "eval_train"
    split = "train" if is_part else split
    molpcba.files(folder, split)
    return Molecules(folder, split, NUM_EVAL_TRAIN if is_part else None)


def missing(folder: Path) -> list[str]:
    """The files that are not there, in words."""
    folder = folders.own(folder, "ogbg")
    csv = molpcba.csv_folder(folder)
    if csv is not None:
        files = {path: None for split in _STORED for path in molpcba.csv_files(csv, split)}
        return [str(path) for path in files if not path.is_file()]
    try:
        prepared = tfds.find(folder, molpcba.NAME)
    except DataError as error:
        return [f"{error}; or unpack OGB's archive, with its folders raw and split, there"]
    absent = [f"split {split!r} of {prepared.folder}" for split in _STORED
              if split not in prepared.splits]  # fmt: skip
    return absent + [path for shards in prepared.splits.values() for path in shards.missing()]


def checks(folder: Path, split: str) -> Iterator[Check]:
    """What reads the files of a split. Raises DataError where one is missing."""
    return molpcba.checks(folders.own(folder, "ogbg"), split)


@dataclasses.dataclass(frozen=True, eq=False)
class Molecules(Source):
    """The graphs of a split; a row of a batch is a bin of them (`workloads.ogbg.bins`)."""

    folder: Path
    split: str
    most: int | None = None  # graphs that are used, from the first on; None: all

    @property
    def num_examples(self) -> int:
        """Graphs of the split."""
        whole = len(self.graphs["labels"])
        return whole if self.most is None else min(self.most, whole)

    @functools.cached_property
    def graphs(self) -> molpcba.Graphs:
        """What `molpcba.graphs` found; parsed when it is first asked for."""
        return molpcba.graphs(self.folder, self.split)

    @functools.cached_property
    def num_nodes(self) -> np.ndarray:
        """Atoms of each graph: int64 (n,)."""
        return np.diff(self.graphs["first_node"])[: self.most]

    @functools.cached_property
    def num_edges(self) -> np.ndarray:
        """Directed edges of each graph, two for a bond: int64 (n,)."""
        return 2 * np.diff(self.graphs["first_edge"])[: self.most]

    @functools.cached_property
    def num_seen_by_algoperf(self) -> int:
        """The leading graphs that AlgoPerf's evaluation of this split is about."""
        return seen_by_algoperf(self.num_nodes, self.num_edges, EVAL_BATCH_SIZE)

    def fingerprint(self) -> str:
        """Of the files' names, sizes and ends."""
        return fingerprint_of_files(molpcba.files(self.folder, self.split), self.folder)

    def plan(self, seed: int, batch_size: int) -> Plan:
        """Bins of permuted graphs. Raises ValueError where no bin holds the largest graph."""
        bins = bins_of(batch_size, self.num_nodes.max(), self.num_edges.max())
        return TrainBins(self.num_nodes, self.num_edges, bins, seed)

    def eval_plan(self, batch_size: int) -> Plan:
        """Bins in the split's own order. Raises ValueError as `plan` does."""
        bins = bins_of(batch_size, self.num_nodes.max(), self.num_edges.max())
        return EvalBins(self.num_nodes, self.num_edges, bins)

    def part(self, size: int) -> "Molecules":
        """The first graphs."""
        return dataclasses.replace(self, most=min(size, self.num_examples))

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """Bins of b graphs, flat: k rows with V = 26 b + 1 nodes, E = 56 b edges and G = b + 1
        graphs, the last of which, and those that are not there, are padding.

        Args:
          picks: int64 (k, b), of a plan; NO_GRAPH where a bin has no more.
        Returns {'inputs': (k, V, 9) uint8, 'edges': (k, E, 3) uint8, 'senders', 'receivers': (k, E)
        int32, counted from the row's first node, 'n_node', 'n_edge': (k, G) int32, with sums V and
        E, 'n_graph': (k,) int32, the graphs that are none of padding, 'targets': (k, G, 128)
        float32 of 0, 1 and NaN for a missing label, 'is_algoperfs': (k, G) bool, whether AlgoPerf's
        evaluation has the graph}.
        """
        del keys  # nothing is random
        rows = [self._bin(row[row != NO_GRAPH], picks.shape[1]) for row in picks]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    def looks(self, picks: np.ndarray, keys: RowKeys) -> Iterator[Look]:
        """The molecules of each bin: a line for each, and the first one as it is stored and as the
        model gets it."""
        rows = self.rows(picks, keys)
        for row, chosen in enumerate(picks):
            chosen = chosen[chosen != NO_GRAPH]
            row_of = {name: values[row] for name, values in rows.items()}
            lines = molecule_text.of_bin(row_of, chosen)
            if len(chosen):
                lines += ["", *molecule_text.of_first(row_of, self.graphs, int(chosen[0]))]
            yield {"text": Text(lines)}

    def _bin(self, chosen: np.ndarray, b: int) -> dict[str, np.ndarray]:
        graphs, n = self.graphs, len(chosen)
        num_nodes, num_edges = NODES_PER_GRAPH * b + 1, EDGES_PER_GRAPH * b
        n_node, n_edge = self.num_nodes[chosen], self.num_edges[chosen]
        nodes = graphs["nodes"][packing.ranges(graphs["first_node"][chosen], n_node)]
        first = np.cumsum(n_node) - n_node
        # Each graph's bonds, and then the same ones back.
        twice = np.repeat(n_edge // 2, 2)
        bonds = packing.ranges(graphs["first_edge"][np.repeat(chosen, 2)], twice)
        is_back = np.repeat(np.tile([False, True], n), twice)
        ends = graphs["ends"][bonds] + np.repeat(first, n_edge)[:, None]
        ends[is_back] = ends[is_back, ::-1]
        # Padding edges join the first padding node to itself, as jraph's do.
        senders, receivers = (
            _padded(end.astype(np.int32), num_edges, len(nodes)) for end in ends.T
        )
        labels = graphs["labels"][chosen].astype(np.float32)
        out = {
            "inputs": _padded(nodes, num_nodes),
            "edges": _padded(graphs["edges"][bonds], num_edges),
            "senders": senders,
            "receivers": receivers,
            "n_node": _padded(n_node.astype(np.int32), b + 1),
            "n_edge": _padded(n_edge.astype(np.int32), b + 1),
            "n_graph": np.int32(n),
            "targets": _padded(np.where(labels == molpcba.MISSING, np.nan, labels), b + 1, np.nan),
            "is_algoperfs": _padded(chosen < self.num_seen_by_algoperf, b + 1),
        }
        # The first padding graph has all the padding.
        out["n_node"][n] = num_nodes - len(nodes)
        out["n_edge"][n] = num_edges - len(bonds)
        return out


def _padded(values: np.ndarray, length: int, fill: float = 0) -> np.ndarray:
    out = np.full((length, *values.shape[1:]), fill, values.dtype)
    out[: len(values)] = values
    return out
