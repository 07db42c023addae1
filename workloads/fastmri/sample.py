"""Draws `sample.png`: `python -m workloads.fastmri.sample [file]`."""

import sys
from pathlib import Path

import matplotlib
import numpy as np

from workloads.fastmri import data

_VOLUMES = (0, 2, 6)  # of the first validation block, one row each


def draw(path: Path) -> None:
    """Writes a picture: per row two slices of a volume, their inputs and their masks."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    scan = data.scan("validation", 0)
    titles = ("target", "input (zero-filled)", "measured columns") * 2
    figure, axes = plt.subplots(len(_VOLUMES), len(titles), figsize=(10, 5.2))
    for row, volume in zip(axes, _VOLUMES, strict=True):
        panels = []
        for index in (0, data.SLICES - 1):
            mask = np.repeat(scan.masks[volume, index][None], data.SIZE, axis=0)
            panels += [scan.targets[volume, index], scan.inputs[volume, index], mask]
        for axis, panel in zip(row, panels, strict=True):
            axis.imshow(panel, cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=9)
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("sample.png"))
