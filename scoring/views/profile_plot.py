"""Performance profiles as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scoring.leaderboard import Leaderboard
from scoring.stats.profile import TAU_MAX
from scoring.stats.rows import Row
from scoring.views.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's palette: told apart also by the colour-blind. Beyond seven, dashes join in.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)))
_LABEL_GAP = 0.22  # inches between the base lines of two labels


def performance_profile(leaderboard: Leaderboard, stem: str | Path) -> tuple[Path, Path]:
    """Draw every submission's profile for tau in [1, 4]; returns the paths `stem`.svg and .png."""
    # matplotlib costs half a second, and only those who draw should pay it.
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = max(4.2, _LABEL_GAP * len(leaderboard.entries) + 1.4)
    figure = Figure(figsize=(8.4, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.085, 0.62 / height, 0.57, 1 - 1.12 / height))
    _draw(axes, leaderboard, axes_inches=height - 1.12)
    svg, png = (Path(f"{stem}{suffix}") for suffix in (".svg", ".png"))
    # A fixed salt and no date: the same leaderboard gives the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "algoperf-lite"}):
        figure.savefig(svg, metadata={"Date": None})
    figure.savefig(png, dpi=160)
    return svg, png


def steps(entry: Row) -> tuple[np.ndarray, np.ndarray]:
    """Corners (tau, share solved) of the profile's exact step curve, from tau 1 to 4."""
    ratios = np.sort(list(entry.ratio_to_best.values()))
    inside = ratios[ratios <= TAU_MAX]
    tau = np.concatenate([[1.0], inside, [TAU_MAX]])
    return tau, np.searchsorted(ratios, tau, side="right") / len(ratios)


def line_style(place: int) -> dict:
    """Colour and dashes, as matplotlib takes them, of the submission at a place from 0."""
    dashes = _DASHES[place // len(_COLOURS) % len(_DASHES)]
    return {"color": _COLOURS[place % len(_COLOURS)], "linestyle": dashes}


def _draw(axes: Axes, leaderboard: Leaderboard, axes_inches: float) -> None:
    """The curves with their names beside the right edge, highest curve first."""
    protocol = leaderboard.protocol
    curves = [(entry, *steps(entry)) for entry in leaderboard.entries]
    styles = [line_style(place) for place in range(len(curves))]
    # Curves often coincide. The later one is drawn thinner, so that those below it show.
    widths = np.linspace(3.6, 1.3, len(curves))
    for (_, tau, share), style, width in zip(curves, styles, widths, strict=True):
        axes.step(tau, share, where="post", linewidth=width, clip_on=False, **style)
    order = sorted(range(len(curves)), key=lambda i: (curves[i][2][-1], curves[i][0].score))
    ends = [float(curves[i][2][-1]) for i in order]
    spots = spread(ends, _LABEL_GAP / axes_inches * 1.04)
    for i, end, spot in zip(order, ends, spots, strict=True):
        entry = curves[i][0]
        axes.plot([4.0, 4.1, 4.16], [end, spot, spot], clip_on=False, linewidth=0.9, **styles[i])
        # parse_math off: a "$" in a folder's name is a "$".
        axes.text(
            4.2,
            spot,
            f"{entry.score:.3f}  {_short(printable(entry.submission))}",
            color=styles[i]["color"],
            fontsize=9,
            verticalalignment="center",
            parse_math=False,
        )
    axes.set(xlim=(1.0, 4.0), ylim=(0.0, 1.04), xticks=np.arange(1.0, 4.5, 0.5))
    axes.set_xlabel(f"tau: {protocol.by} to target, relative to the fastest submission")
    axes.set_ylabel(f"share of {len(leaderboard.workloads)} workloads solved within tau")
    title = f"Performance profile, {printable(leaderboard.benchmark.name)} ({protocol.mode} mode)"
    axes.set_title(title, loc="left", fontsize=11, parse_math=False)
    axes.text(4.2, 1.04, "score", fontsize=9, color="#555555", verticalalignment="bottom")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def spread(ends: Sequence[float], gap: float, top: float = 1.0) -> list[float]:
    """Heights at least `gap` apart, in the order of the ascending `ends` and near them."""
    spots: list[float] = []
    for end in ends:
        spots.append(max(end, spots[-1] + gap) if spots else end)
    # What was pushed over the top is pushed back down, and pushes those below it.
    limit = top
    for i in reversed(range(len(spots))):
        spots[i] = min(spots[i], limit)
        limit = spots[i] - gap
    return spots


def _short(name: str, most: int = 25) -> str:
    """A name that fits beside the plot, its middle left out if it is long."""
    half = (most - 3) // 2
    return name if len(name) <= most else f"{name[:half]}...{name[-half:]}"
