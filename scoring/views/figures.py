"""The figures of a report as SVG and PDF files for a paper: vector graphics, fonts embedded."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scoring.leaderboard import Leaderboard
from scoring.stats import anytime
from scoring.stats.profile import TAU_MAX
from scoring.views import bands, profile_plot, runs, series
from scoring.views.bands import Band
from scoring.views.palette import ACCOUNT_COLOURS, MARK, OTHER_ACCOUNT, STYLE, line_style
from scoring.views.profile_plot import save
from scoring.views.text import amount, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUM_LEGEND_COLUMNS = 3
_DASHED = (0, (5, 3))  # target and reference, told apart from submissions


@dataclass(frozen=True)
class Line:
    """A submission's place on the board, its name and how its lines look."""

    place: int
    name: str

    @property
    def style(self) -> dict:
        """Colour and dashes as matplotlib takes them."""
        return line_style(self.place)


def write(board: Leaderboard, folder: str | Path) -> list[Path]:
    """Write every figure as .svg and .pdf into `folder`, which is made; returns their paths."""
    # matplotlib costs half a second, and only those who draw should pay it.
    import matplotlib

    paths = []
    with matplotlib.rc_context(STYLE):
        for stem, figure in _figures(board):
            paths += [save(figure, Path(folder) / f"{stem}{suffix}") for suffix in (".svg", ".pdf")]
    return paths


def _figures(board: Leaderboard) -> Iterator[tuple[str, Figure]]:
    """Stem of the file name and figure, one after the other."""
    lines = {name: Line(place, printable(name)) for name, place in board.places.items()}
    yield "performance_profile", profile_plot.figure(board)
    yield "time_to_target", _times(board, lines)
    of_studies = series.counted(board.trials, board.benchmark, board.protocol)
    for name in board.columns:
        target = board.benchmark.workloads[name]
        # Paper has room for every evaluation, so nothing is thinned.
        own = [
            series.learning_curve(t, target, t.steps.size) for t in of_studies if t.workload == name
        ]
        if own:
            middle = bands.medians(own, board.unit)
            yield f"curves_{_safe(name)}", _multiple(board, lines, name, middle)
            best = anytime.anytime(board.trials, name, target, board.protocol.by)
            yield f"anytime_{_safe(name)}", _multiple(board, lines, name, map(bands.of_curve, best))
    if board.speedups is not None:
        yield "speedups", _speedups(board, lines)
    spent = runs.ledgers(board.trials)
    if spent:
        yield "ledger", _ledger(lines, spent)


def _safe(name: str) -> str:
    """A workload's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of that size in inches with room for what is drawn."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _legend(figure: Figure, lines: Sequence[Line]) -> None:
    """Names below the axes, with a sample of each line."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **line.style) for line in lines]
    # A label that begins with an underscore is no label to matplotlib.
    names = [f"\u200a{line.name}" if line.name.startswith("_") else line.name for line in lines]
    columns = _columns(figure.get_figwidth(), lines)
    figure.legend(handles, names, loc="outside lower center", ncols=columns)


def _columns(width: float, lines: Iterable[Line]) -> int:
    """The number of names that fit side by side into so many inches."""
    longest = max(len(line.name) for line in lines)
    return int(max(1, min(NUM_LEGEND_COLUMNS, width // (0.35 + 0.055 * longest))))


def _times(board: Leaderboard, lines: dict[str, Line]) -> Figure:
    """A heat table of the medians over studies; shade: relative to the fastest of the row."""
    columns = board.columns
    times_WS = np.array(
        [[row.time_to_target.get(name, math.nan) for row in board.rows] for name in columns]
    )
    fastest_W = np.where(np.isfinite(times_WS), times_WS, np.inf).min(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Logarithmic, as ratios are: twice and half as fast are equally far from equal.
        heat_WS = 1 - np.log(times_WS / fastest_W) / np.log(TAU_MAX)
    heat_WS = np.where(times_WS == fastest_W, 1.0, np.nan_to_num(heat_WS, neginf=0.0))
    figure, axes = _figure(1.6 + 0.72 * len(lines), 0.9 + 0.2 * len(columns))
    axes.imshow(np.clip(heat_WS, 0, 1), cmap="Blues", vmin=0, vmax=1.9, aspect="auto")
    for w, s in np.ndindex(times_WS.shape):
        text = "–" if math.isnan(times_WS[w, s]) else amount(times_WS[w, s])
        weight = "bold" if heat_WS[w, s] == 1 else "normal"
        axes.text(s, w, text, ha="center", va="center", fontsize=7, fontweight=weight)
    axes.set_xticks(range(len(lines)), [line.name for line in lines.values()])
    axes.tick_params(axis="x", rotation=35, length=0, top=True, labeltop=True, labelbottom=False)
    for label in axes.get_xticklabels():
        label.set(ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(columns)), [printable(name) for name in columns])
    axes.tick_params(axis="y", length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"median {board.unit} to target")
    return figure


def _multiple(
    board: Leaderboard, lines: dict[str, Line], workload: str, found: Iterable[Band]
) -> Figure:
    """One workload's curves with its target."""
    target = board.benchmark.workloads[workload]
    shown = sorted(found, key=lambda band: lines[band.submission].place)
    names = [lines[band.submission] for band in shown]
    figure, axes = _figure(3.4, 2.4 + 0.16 * math.ceil(len(names) / _columns(3.4, names)))
    # The best submissions last, so that they lie on top.
    for band in reversed(shown):
        style = lines[band.submission].style
        axes.plot(band.x_G, band.middle_G, drawstyle=band.drawstyle, **style)
        step = "post" if band.drawstyle == "steps-post" else None
        area = {"color": style["color"], "alpha": 0.14, "linewidth": 0, "step": step}
        axes.fill_between(band.x_G, band.low_G, band.high_G, **area)
    axes.axhline(target.value, color=MARK, linewidth=0.8, linestyle=_DASHED)
    axes.set_ylim(*bands.limits(shown, target))
    axes.set_xlim(left=0.0)
    axes.set_xlabel(board.unit)
    axes.set_ylabel(f"validation {printable(target.metric)}")
    axes.set_title(printable(workload), loc="left", fontsize=8)
    _legend(figure, names)
    return figure


def _speedups(board: Leaderboard, lines: dict[str, Line]) -> Figure:
    """Geometric means with intervals, and the workloads they are of, on a logarithmic axis."""
    rows = [(lines[n], row) for n, row in board.speedups.submissions.items() if row.mean]
    rows.sort(key=lambda row: row[0].place)
    figure, axes = _figure(5.0, 0.7 + 0.24 * len(rows))
    for y, (line, row) in enumerate(rows):
        colour = line.style["color"]
        if row.low is not None:
            axes.plot([row.low, row.high], [y, y], color=colour, linewidth=4, alpha=0.35)
        each = list(row.by_workload.values())
        axes.scatter(
            each, [y] * len(each), s=9, facecolors="none", edgecolors=colour, linewidths=0.8
        )
        axes.scatter([row.mean], [y], s=26, color=colour, zorder=3)
    # Half as fast then stands as far to the left as twice as fast to the right.
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.axvline(1.0, color=MARK, linewidth=0.8, linestyle=_DASHED)
    axes.set_yticks(range(len(rows)), [line.name for line, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel(f"times as fast as {printable(board.speedups.reference)}")
    return figure


def _ledger(lines: dict[str, Line], spent: Sequence[runs.Spent]) -> Figure:
    """Wall time of all trials by account, one bar per submission."""
    names = runs.accounts(spent)
    total_SA = np.zeros((len(lines), len(names)))
    for group in spent:
        total_SA[lines[group.submission].place] += [group.seconds.get(n, 0.0) for n in names]
    figure, axes = _figure(5.5, 1.1 + 0.24 * len(lines))
    left_S = np.zeros(len(lines))
    for a, name in enumerate(names):
        colour = ACCOUNT_COLOURS.get(name, OTHER_ACCOUNT)
        # As in the other legend: a leading underscore would hide the label.
        label = name.replace("_", " ").strip() or "?"
        axes.barh(range(len(lines)), total_SA[:, a], 0.7, left_S, color=colour, label=label)
        left_S += total_SA[:, a]
    axes.set_yticks(range(len(lines)), [line.name for line in lines.values()])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("wall seconds, all trials")
    figure.legend(loc="outside lower center", ncols=4)
    return figure
