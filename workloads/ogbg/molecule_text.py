"""Molecules of a bin in words: how many atoms and bonds, what they are, which labels are known."""

from collections.abc import Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]


def of_bin(row: Arrays, chosen: np.ndarray) -> list[str]:
    """A line for each molecule of a bin.

    Args:
      row: of `full.Molecules.rows`, without its leading axis.
      chosen: int64 (n,), the split's numbers of the bin's graphs.
    """
    atoms, bonds = row["n_node"][: len(chosen)], row["n_edge"][: len(chosen)] // 2
    lines = [
        f"a bin of {len(chosen)} molecules: {atoms.sum()} atoms in {len(row['inputs'])} places, "
        f"{bonds.sum()} bonds, each in two of {len(row['edges'])} places",
        f"{'molecule':>8} {'atoms':>6} {'bonds':>6} {'active':>7} {'inactive':>9} {'unknown':>8}",
    ]
    for i, number in enumerate(chosen):
        targets = row["targets"][i]
        labels = (targets == 1).sum(), (targets == 0).sum(), np.isnan(targets).sum()
        widths = zip((atoms[i], bonds[i], *labels), (6, 6, 7, 9, 8), strict=True)
        lines.append(f"{number:>8} " + " ".join(f"{value:>{width}}" for value, width in widths))
    return lines


def of_first(row: Arrays, graphs: Arrays, number: int) -> list[str]:
    """The first molecule of a bin: its atoms and bonds as they are stored, and its edges as the
    model gets them.

    Args:
      row: as in `of_bin`.
      graphs: of the split, see `molpcba.graphs`.
      number: of the molecule in them.
    """
    nodes = slice(*graphs["first_node"][number : number + 2])
    edges = slice(*graphs["first_edge"][number : number + 2])
    lines = [f"molecule {number}: the features of each atom, as OGB numbers them"]
    lines += [
        f"{atom:>4}: {' '.join(map(str, features))}"
        for atom, features in enumerate(graphs["nodes"][nodes])
    ]
    lines += ["bonds as they are stored: atoms, features"]
    lines += [
        f"{start:>4} {end:>4}: {' '.join(map(str, features))}"
        for (start, end), features in zip(
            graphs["ends"][edges], graphs["edges"][edges], strict=True
        )
    ]
    # The first molecule's atoms are the bin's first, so numbers are the same.
    both_ways = zip(row["senders"], row["receivers"], strict=True)
    pairs = [f"{a}-{b}" for (a, b), _ in zip(both_ways, range(row["n_edge"][0]), strict=False)]
    known = np.flatnonzero(~np.isnan(row["targets"][0]))
    labels = [f"{task}={row['targets'][0][task]:.0f}" for task in known]
    return [
        *lines,
        f"model, each bond both ways: {' '.join(pairs)}",
        f"labels that are known, of {row['targets'].shape[1]}: {' '.join(labels) or 'none'}",
    ]
