"""Draws a few molecules of the validation split with their labels into sample.png."""

import sys
from pathlib import Path

import numpy as np

from workloads.ogbg import data
from workloads.ogbg.assays import ASSAYS
from workloads.ogbg.molecules import ELEMENTS

_COLOURS = ("#444444", "#3050f8", "#e02020", "#c0a000", "#30a030", "#1fd01f", "#a62929")


def layout(adjacent: np.ndarray) -> np.ndarray:
    """Positions (atoms, 2) whose distances follow the bonds between atoms (stress majorisation)."""
    size = len(adjacent)
    hops = np.where(adjacent, 1.0, np.inf)
    np.fill_diagonal(hops, 0)
    for via in range(size):
        hops = np.minimum(hops, hops[:, via, None] + hops[None, via])
    weights = 1 / np.maximum(hops, 1) ** 2
    values, vectors = np.linalg.eigh(-(hops**2 - (hops**2).mean(0) - (hops**2).mean(1)[:, None]))
    x = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 1e-3) / 2)
    laplacian = np.diag(weights.sum(1)) - weights
    inverse = np.linalg.pinv(laplacian)
    for _ in range(300):  # SMACOF
        apart = np.linalg.norm(x[:, None] - x, axis=2)
        pull = -weights * hops / np.maximum(apart, 1e-9)
        np.fill_diagonal(pull, 0)
        np.fill_diagonal(pull, -pull.sum(1))
        x = inverse @ (pull @ x)
    return x


def draw(path: Path) -> None:
    """Writes the picture."""
    import matplotlib.pyplot as plt

    graphs = data.examples("validation")
    figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.6), dpi=90)
    for row, axis in enumerate(axes):
        graph = {name: values[row] for name, values in graphs.items()}
        _draw(axis, graph)
        targets = graph["targets"]
        lines = _lines("yes", targets == 1) + _lines("missing", np.isnan(targets))
        figure.text(0.01 + row / 3, 0.27, "\n".join(lines), va="top", fontsize=7)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.29, top=0.99, wspace=0.05)
    figure.savefig(path)
    plt.close(figure)


def _lines(title: str, wanted: np.ndarray) -> list[str]:
    """The assays that are `wanted`, three to a line."""
    found = [name for name, yes in zip(ASSAYS, wanted, strict=True) if yes]
    lines = ["; ".join(found[i : i + 3]) for i in range(0, len(found), 3)]
    return [f"{title}: {lines[0]}", *lines[1:]] if lines else []


def _draw(axis: object, graph: dict[str, np.ndarray]) -> None:
    nodes, edges = graph["n_node"], graph["n_edge"]
    adjacent = np.zeros((nodes, nodes), bool)
    adjacent[graph["senders"][:edges], graph["receivers"][:edges]] = True
    x = layout(adjacent)
    for edge in range(0, edges, 2):
        ends = x[[graph["senders"][edge], graph["receivers"][edge]]]
        along = ends[1] - ends[0]
        aside = 0.07 * np.array([-along[1], along[0]]) / np.linalg.norm(along)
        order = 1 + graph["edges"][edge].argmax()
        for shift in np.arange(order) - (order - 1) / 2:
            axis.plot(*(ends + 2 * shift * aside).T, color="#888888", linewidth=1.2, zorder=1)
    for atom in range(nodes):
        element = graph["inputs"][atom, : len(ELEMENTS)].argmax()
        axis.text(
            *x[atom],
            ELEMENTS[element],
            color=_COLOURS[element],
            ha="center",
            va="center",
            fontsize=8,
            bbox={"boxstyle": "circle,pad=0.1", "fc": "white", "ec": "none"},
        )
    axis.set_aspect("equal")
    axis.axis("off")
    axis.margins(0.1)


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("sample.png"))
