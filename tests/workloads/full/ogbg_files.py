"""Molecules in TFDS's and in OGB's layout, small and random."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from tests.workloads.full import tfds_folders

NUM = {"train": 60, "validation": 20, "test": 11}
TASKS = 128


def molecule(rng: np.random.Generator) -> dict[str, Any]:
    """A random graph in TFDS's form."""
    num_nodes = int(rng.integers(1, 40))
    num_edges = int(rng.integers(0, 45))
    labels = rng.integers(0, 2, TASKS).astype(np.float32)
    labels[rng.random(TASKS) < 0.3] = np.nan
    return {
        "num_nodes": [num_nodes],
        "node_feat": rng.integers(0, 120, (num_nodes, 9)).astype(np.float32),
        "num_edges": [num_edges],
        "edge_feat": rng.integers(0, 5, (num_edges, 3)).astype(np.float32),
        "edge_index": rng.integers(0, num_nodes, (num_edges, 2)),
        "labels": labels,
    }


def molecules() -> dict[str, list[dict[str, Any]]]:
    """The graphs of each split."""
    rng = np.random.default_rng(0)
    return {split: [molecule(rng) for _ in range(size)] for split, size in NUM.items()}


def write_tfds(root: Path) -> Path:
    """Records of TFDS; returns their folder."""
    shards = {split: [some[: len(some) // 3], some[len(some) // 3 :]]
              for split, some in molecules().items()}  # fmt: skip
    folder = root / "ogbg" / "ogbg_molpcba" / "0.1.3"
    tfds_folders.write(folder, "ogbg_molpcba", shards, version="0.1.3")
    return folder


def write_csv(root: Path) -> None:
    """OGB's archive, in which the graphs of all splits are mixed."""
    every = [(split, graph) for split, some in molecules().items() for graph in some]
    order = np.random.default_rng(1).permutation(len(every))
    lines = {"edge": "edge_index", "edge-feat": "edge_feat", "node-feat": "node_feat",
             "num-node-list": "num_nodes", "num-edge-list": "num_edges"}  # fmt: skip
    files = {f"raw/{name}": [] for name in [*lines, "graph-label"]}
    for number in order:
        graph = every[number][1]
        for name, feature in lines.items():
            rows = np.asarray(graph[feature]).astype(int)
            files[f"raw/{name}"] += [",".join(map(str, np.atleast_1d(row))) for row in rows]
        labels = ["" if np.isnan(x) else str(x) for x in graph["labels"]]
        files["raw/graph-label"].append(",".join(labels))
    place = np.argsort(order)
    for split, name in (("train", "train"), ("validation", "valid"), ("test", "test")):
        rows = [place[i] for i, (of, _) in enumerate(every) if of == split]
        files[f"split/scaffold/{name}"] = list(map(str, rows))
    for name, content in files.items():
        path = root / "pcba" / f"{name}.csv.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress("".join(f"{line}\n" for line in content).encode()))
