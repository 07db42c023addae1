"""A scatter plot of two boards: a point per submission, its name beside it, intervals as bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scoring.stats.draws import Limits
from scoring.stats.fidelity import Fidelity
from scoring.views import fidelity
from scoring.views.palette import COLOURS, MARK, STYLE
from scoring.views.profile_plot import save, spread
from scoring.views.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 5.5  # inches: the text width of a paper
_LABEL_GAP = 0.135  # inches between the base lines of two names
_ROOM = 0.05  # beyond the highest score and its bar, as a share of the axis
_MOST_TEXT = 34  # characters of a label


def write(found: Fidelity, stem: str | Path) -> tuple[Path, Path]:
    """Draw the points; returns the paths `stem`.svg and `stem`.png."""
    # matplotlib costs half a second, and only those who draw should pay it.
    import matplotlib

    with matplotlib.rc_context(STYLE):
        drawn = figure(found)
        return save(drawn, Path(f"{stem}.svg")), save(drawn, Path(f"{stem}.png"))


def figure(found: Fidelity) -> Figure:
    """A's score to the right, B's upwards; names at the right edge, as high as their points."""
    from matplotlib.figure import Figure

    height = max(3.4, _LABEL_GAP * len(found.points) + 1.0)
    drawn = Figure(figsize=(_WIDTH, height))
    # Placed by hand: names stand outside the axes, where an automatic layout would shrink them.
    inches = height - 0.85
    axes = drawn.add_axes((0.09, 0.45 / height, 0.54, inches / height))
    right, top = (_end(found, side) for side in ("a", "b"))
    for point in found.points:
        _bars(axes, point.a, point.b, point.a_limits, point.b_limits)
    axes.set(xlim=(0.0, right), ylim=(0.0, top))
    _label(axes, found, _LABEL_GAP / inches * top)
    whole = found.whole
    axes.set_xlabel(f"A: score by {whole.a_by}, {_last(found.a.label)}")
    axes.set_ylabel(f"B: score by {whole.b_by}, {_last(found.b.label)}")
    axes.set_title(_title(found), loc="left", fontsize=8)
    return drawn


def _title(found: Fidelity) -> str:
    tau = found.whole.tau
    if math.isnan(tau.value):
        return "Scores on both boards"
    return f"Kendall's tau {tau.value:.2f}{fidelity.spread(tau)}"


def _end(found: Fidelity, side: str) -> float:
    """Where an axis ends."""
    highs = [getattr(p, f"{side}_limits")[1] or getattr(p, side) for p in found.points]
    return (max(highs) or 1.0) * (1 + _ROOM)


def _bars(axes: Axes, a: float, b: float, a_limits: Limits, b_limits: Limits) -> None:
    bar = {"color": COLOURS[0], "linewidth": 0.9, "alpha": 0.45}
    if a_limits[0] is not None:
        axes.plot(a_limits, [b, b], **bar)
    if b_limits[0] is not None:
        axes.plot([a, a], b_limits, **bar)
    axes.plot([a], [b], "o", color=COLOURS[0], markersize=4, clip_on=False, zorder=3)


def _label(axes: Axes, found: Fidelity, gap: float) -> None:
    """Names beside the axes, each joined to its point by a line."""
    points = sorted(found.points, key=lambda point: (point.b, point.a))
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    for point, spot in zip(points, spread([p.b for p in points], gap, top), strict=True):
        ends: tuple[Sequence[float], Sequence[float]] = (
            [point.a, right * 1.02, right * 1.05],
            [point.b, spot, spot],
        )
        axes.plot(*ends, color=MARK, linewidth=0.4, alpha=0.5, clip_on=False, zorder=1)
        name = _short(fidelity.point_name(point))
        axes.text(right * 1.07, spot, name, fontsize=7, verticalalignment="center")


def _last(label: str) -> str:
    """The last part of a path: the folders above are the same as often as not."""
    return _short(printable(Path(label).name or label))


def _short(name: str) -> str:
    """A text that fits, its middle left out if it is long."""
    half = (_MOST_TEXT - 3) // 2
    return name if len(name) <= _MOST_TEXT else f"{name[:half]}...{name[-half:]}"
