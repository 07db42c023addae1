"""ogbg-molpcba as flat arrays, from TFDS's records or from the CSV files of OGB's own archive."""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from algoperf_lite.data import example, kept, needed, packing, tfds
from algoperf_lite.data.checks import Check, reading
from algoperf_lite.data.source import DataError

NAME = "ogbg_molpcba"
NODE_FEATURES, EDGE_FEATURES, NUM_TASKS = 9, 3, 128
MISSING = -1  # a label that nobody measured
_CSV_SPLITS = {"train": "train", "validation": "valid", "test": "test"}
# Columns of the files in the archive's folder `raw`, which pyarrow unpacks by their names.
_CSVS = {
    "edge": 2,
    "edge-feat": EDGE_FEATURES,
    "graph-label": NUM_TASKS,
    "node-feat": NODE_FEATURES,
    "num-edge-list": 1,
    "num-node-list": 1,
}

Graphs = dict[str, np.ndarray]


def files(folder: Path, split: str) -> list[Path]:
    """The files that a split is read from.

    Args:
      folder: the data set's, or a root of data sets.
      split: 'train', 'validation' or 'test'.
    Raises DataError where neither form is found, or a file is missing.
    """
    csv = csv_folder(folder)
    if csv is not None:
        paths = csv_files(csv, split)
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise DataError(f"{missing[0]} is missing; unpack OGB's archive again")
        return paths
    return list(tfds.find(folder, NAME).split(split).paths)


def checks(folder: Path, split: str) -> Iterator[Check]:
    """What reads each of those files, whole. Raises DataError where one is missing."""
    files(folder, split)
    csv = csv_folder(folder)
    if csv is None:
        yield from tfds.find(folder, NAME).split(split).checks()
        return
    for name, path in zip((*_CSVS, "split"), csv_files(csv, split), strict=True):
        # As an iterable of one array, which is all that a table is.
        yield reading(path, functools.partial(_columns, path, _CSVS.get(name, 1)))


def _columns(path: Path, width: int) -> list[np.ndarray]:
    return [_csv(path, width)]


def graphs(folder: Path, split: str) -> Graphs:
    """All graphs of a split, parsed once and then kept in the user's cache. For n graphs with V
    nodes and E bonds in all:

    {'nodes': (V, 9) uint8, 'edges': (E, 3) uint8 and 'ends': (E, 2) uint16, each bond once,
    'labels': (n, 128) int8 of 0, 1 and MISSING, 'first_node', 'first_edge': (n + 1,) int64}.

    Raises DataError where a file is missing, damaged, or has other columns.
    """
    paths = files(folder, split)

    def make(out: Path) -> None:
        csv = csv_folder(folder)
        if csv is not None:
            found = _from_csv(csv, split)
        else:
            found = _from_records(tfds.find(folder, NAME).split(split))
        for name, values in found.items():
            np.save(out / f"{name}.npy", values)

    # All of the published files together hold some 600 bytes per graph of three splits.
    num_bytes = sum(path.stat().st_size for path in paths)
    return kept.arrays(f"ogbg-1-{split}", paths, make, num_bytes)


def _from_records(shards: tfds.Shards) -> Graphs:
    parts: dict[str, list[np.ndarray]] = {"nodes": [], "edges": [], "ends": [], "labels": []}
    for where, record in shards.records():
        for name, values in _graph(record, where).items():
            parts[name].append(values)
    if not parts["labels"]:
        raise DataError(f"{shards.paths} hold no graph; prepare {NAME} anew")
    sizes = {name: [len(values) for values in parts[name]] for name in ("nodes", "edges")}
    return {
        **{name: np.concatenate(parts[name]) for name in ("nodes", "edges", "ends")},
        "labels": np.stack(parts["labels"]),
        "first_node": packing.starts(sizes["nodes"]),
        "first_edge": packing.starts(sizes["edges"]),
    }


def _graph(record: bytes, where: str) -> Graphs:
    features = example.parse(record, where)
    num_nodes, num_edges = (
        int(example.ints(features, name, where)[0]) for name in ("num_nodes", "num_edges")
    )
    flat = {
        "nodes": (example.floats(features, "node_feat", where), (num_nodes, NODE_FEATURES)),
        "edges": (example.floats(features, "edge_feat", where), (num_edges, EDGE_FEATURES)),
        "ends": (example.ints(features, "edge_index", where), (num_edges, 2)),
        "labels": (example.floats(features, "labels", where), (NUM_TASKS,)),
    }
    for name, (values, shape) in flat.items():
        if values.size != np.prod(shape):
            raise DataError(
                f"{where} has {values.size} numbers of {name} where {shape} were expected; "
                f"is it {NAME}, version 0.1.3?"
            )
    shaped = {name: values.reshape(shape) for name, (values, shape) in flat.items()}
    return _packed(shaped, num_nodes, where)


def _packed(wide: Graphs, num_nodes: int | np.ndarray, where: str) -> Graphs:
    """The same numbers in bytes; the features of molpcba are small whole numbers.

    `num_nodes` is that of the graph, or (E, 1) of the graph of each bond.
    """
    labels = np.where(np.isnan(wide["labels"]), MISSING, wide["labels"])
    small = {
        "nodes": (wide["nodes"], np.uint8, 255),
        "edges": (wide["edges"], np.uint8, 255),
        # Ends count nodes of one graph, from 0.
        "ends": (wide["ends"], np.uint16, num_nodes - 1),
        "labels": (labels, np.int8, 1),
    }
    packed = {}
    for name, (values, dtype, highest) in small.items():
        packed[name] = values.astype(dtype)
        lowest = MISSING if name == "labels" else 0
        is_same = np.array_equal(packed[name], values)
        if not is_same or (values < lowest).any() or (values > highest).any():
            raise DataError(
                f"{where} has {name} that are not whole numbers of {lowest} to {np.max(highest)}; "
                f"is it {NAME}?"
            )
    return packed


def csv_folder(folder: Path) -> Path | None:
    """The folder with OGB's `raw` and `split`, below `folder`; None where there is none."""
    below = ("", "pcba", NAME, f"{NAME}/pcba", "ogbg", "ogbg/pcba", f"ogbg/{NAME}")
    return next((folder / name for name in below if (folder / name / "raw").is_dir()), None)


def csv_files(folder: Path, split: str) -> list[Path]:
    """The CSV files of a split, each with or without '.gz'."""
    names = [f"raw/{name}.csv" for name in _CSVS]
    found = []
    for name in (*names, f"split/scaffold/{_CSV_SPLITS[split]}.csv"):
        plain = folder / name
        found.append(plain if plain.is_file() else folder / f"{name}.gz")
    return found


def _from_csv(folder: Path, split: str) -> Graphs:
    """The graphs of a split in the order of its list."""
    paths = dict(zip((*_CSVS, "split"), csv_files(folder, split), strict=True))
    read = {name: _csv(path, _CSVS.get(name, 1)) for name, path in paths.items()}
    node, edge = (packing.starts(read[f"num-{kind}-list"][:, 0]) for kind in ("node", "edge"))
    chosen = read["split"][:, 0]
    lengths = {
        "node-feat": node[-1], "edge": edge[-1], "edge-feat": edge[-1],
        "graph-label": len(node) - 1,
    }  # fmt: skip
    for name, length in lengths.items():
        if len(read[name]) != length:
            raise DataError(
                f"{paths[name]} has {len(read[name])} lines and {length} were expected by the "
                "lists of sizes; unpack OGB's archive again"
            )
    if chosen.min() < 0 or chosen.max() >= len(node) - 1:
        raise DataError(f"{paths['split']} names graphs that are not there; unpack it again")
    sizes, bonds = np.diff(node)[chosen], np.diff(edge)[chosen]
    nodes, edges = packing.ranges(node[chosen], sizes), packing.ranges(edge[chosen], bonds)
    wide = {
        "nodes": read["node-feat"][nodes],
        "edges": read["edge-feat"][edges],
        "ends": read["edge"][edges],
        "labels": read["graph-label"][chosen],
    }
    return {
        **_packed(wide, np.repeat(sizes, bonds)[:, None], f"a file in {folder}"),
        "first_node": packing.starts(sizes),
        "first_edge": packing.starts(bonds),
    }


def _csv(path: Path, width: int) -> np.ndarray:
    """Numbers of a file without header: int32 (lines, width); empty labels are MISSING."""
    with needed.package("pyarrow", "reading CSV files"):
        import pyarrow as pa
        from pyarrow import csv
    names = [str(column) for column in range(width)]
    # Labels are written as 0.0 and 1.0 where some are missing.
    kinds = dict.fromkeys(names, pa.float32())
    try:
        table = csv.read_csv(
            path,
            read_options=csv.ReadOptions(column_names=names),
            convert_options=csv.ConvertOptions(column_types=kinds),
        )
    except (pa.ArrowInvalid, OSError) as error:
        first = str(error).splitlines()[0]
        raise DataError(
            f"{path} is damaged or has other columns ({first}); unpack OGB's archive again"
        ) from error
    found = np.stack([column.to_numpy() for column in table.columns], axis=1)
    if width == NUM_TASKS:
        found = np.where(np.isnan(found), MISSING, found)
    if not np.array_equal(found, np.floor(found)):  # an empty field is NaN, which equals nothing
        raise DataError(f"{path} has fields that are no whole numbers; unpack OGB's archive again")
    return found.astype(np.int32)
