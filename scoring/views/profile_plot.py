"""The performance profile as a figure: one drawing for `score --plot` and for papers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scoring.leaderboard import Leaderboard
from scoring.stats.profile import TAU_MAX
from scoring.stats.rows import Row
from scoring.views.files import replacing
from scoring.views.palette import METADATA, STYLE, line_style
from scoring.views.text import counted, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 5.5  # inches: the text width of a paper
_LABEL_GAP = 0.15  # inches between the base lines of two labels
_MARGINS = 0.8  # inches above and below the axes
_DOTS_PER_INCH = 240


def write(board: Leaderboard, stem: str | Path) -> tuple[Path, Path]:
    """Draw every submission's profile for tau in [1, 4]; returns the paths `stem`.svg and .png."""
    # matplotlib costs half a second, and only those who draw should pay it.
    import matplotlib

    with matplotlib.rc_context(STYLE):
        drawn = figure(board)
        return save(drawn, Path(f"{stem}.svg")), save(drawn, Path(f"{stem}.png"))


def save(drawn: Figure, path: Path) -> Path:
    """Write a figure in the format of the suffix; returns the path."""
    with replacing(path) as partial:
        drawn.savefig(partial, metadata=METADATA[path.suffix], dpi=_DOTS_PER_INCH)
    return path


def figure(board: Leaderboard) -> Figure:
    """The curves with their names beside the right edge, highest curve first."""
    from matplotlib.figure import Figure

    height = max(3.1, _LABEL_GAP * len(board.rows) + _MARGINS + 0.2)
    found = Figure(figsize=(_WIDTH, height))
    # Placed by hand: labels stand outside the axes, where an automatic layout would shrink them.
    axes = found.add_axes((0.085, 0.45 / height, 0.57, 1 - _MARGINS / height))
    curves = [corners(row) for row in board.rows]
    # Curves often coincide. The later one is drawn thinner, so that those below it show.
    widths = np.linspace(2.6, 1.1, len(curves))
    for place, ((tau, share), width) in enumerate(zip(curves, widths, strict=True)):
        line = {"linewidth": width, "clip_on": False, **line_style(place)}
        axes.step(tau, share, where="post", **line)
    _label(axes, board.rows, [share[-1] for _, share in curves], height - _MARGINS)
    axes.set(xlim=(1.0, TAU_MAX), ylim=(0.0, 1.04), xticks=np.arange(1.0, TAU_MAX + 0.5, 0.5))
    axes.set_xlabel(f"τ: {board.protocol.by} to target relative to the fastest submission")
    num = counted(len(board.workloads), "workload")
    axes.set_ylabel(f"share of {num} solved within τ")
    mode = f"{printable(board.benchmark.name)} ({board.protocol.mode} mode)"
    axes.set_title(f"Performance profile, {mode}", loc="left", fontsize=8)
    return found


def corners(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Corners (tau, share solved) of the profile's exact step curve, from tau 1 to 4."""
    ratios = np.sort(list(row.ratio_to_best.values()))
    inside = ratios[ratios <= TAU_MAX]
    tau = np.concatenate([[1.0], inside, [TAU_MAX]])
    return tau, np.searchsorted(ratios, tau, side="right") / len(ratios)


def _label(axes: Axes, rows: Sequence[Row], ends: Sequence[float], axes_inches: float) -> None:
    """Score and name of each curve, joined to its end by a line where they must move apart."""
    order = sorted(range(len(rows)), key=lambda i: (ends[i], rows[i].score))
    spots = spread([float(ends[i]) for i in order], _LABEL_GAP / axes_inches * 1.04)
    for i, spot in zip(order, spots, strict=True):
        style = line_style(i)
        lead = [TAU_MAX, TAU_MAX + 0.1, TAU_MAX + 0.16]
        axes.plot(lead, [ends[i], spot, spot], clip_on=False, linewidth=0.8, **style)
        text = f"{rows[i].score:.3f}  {_short(printable(rows[i].submission))}"
        at = (TAU_MAX + 0.2, spot)
        axes.text(*at, text, color=style["color"], fontsize=7, verticalalignment="center")
    axes.text(TAU_MAX + 0.2, 1.05, "score", fontsize=7, color="#555555", verticalalignment="bottom")


def spread(ends: Sequence[float], gap: float, top: float = 1.0) -> list[float]:
    """Heights at least `gap` apart, in the order of the ascending `ends` and near them."""
    spots: list[float] = []
    for end in ends:
        spots.append(max(end, spots[-1] + gap) if spots else end)
    # Labels that were pushed over the top are pushed back down, and push those below them.
    limit = top
    for i in reversed(range(len(spots))):
        spots[i] = min(spots[i], limit)
        limit = spots[i] - gap
    return spots


def _short(name: str, most: int = 25) -> str:
    """A name that fits beside the axes, its middle left out if it is long."""
    half = (most - 3) // 2
    return name if len(name) <= most else f"{name[:half]}...{name[-half:]}"
