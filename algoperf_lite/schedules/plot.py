"""Learning rate against step, as a picture."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import jax
import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.figure import Figure

from algoperf_lite import did_you_mean, tuning
from algoperf_lite.schedules.text import NamedSchedule

SUFFIXES = (".svg", ".png")
_COLOURS = "petroff10"  # ten that colour-blind people can tell apart; dashes come in beyond
_DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)))
_AXES_INCHES, _LETTER_INCHES, _ROW_INCHES = 6.4, 0.078, 0.21  # letters and rows of the legend


def draw(
    specs: Sequence[NamedSchedule],
    path: str | Path,
    num_steps: int = 1000,
    peak: float = 1.0,
    batch_size: int = 1024,
    tokens_per_step: float = 1024 * 4096,
) -> Path:
    """Writes the learning rates of `specs` over `num_steps` to an SVG or a PNG; returns its path.

    What is to be searched is a band, from the least rate to the largest at the ends and middles of
    the ranges, with the line of all middles in it.

    Args:
      batch_size, tokens_per_step: matter to `power` alone; the defaults are its paper's.
    """
    path = Path(path)
    did_you_mean.require(path.suffix, SUFFIXES, "kind of picture")
    steps = np.arange(num_steps + 1)
    arguments = num_steps, peak, num_steps, batch_size, tokens_per_step
    rates = [
        [jax.jit(jax.vmap(one.build(*arguments)))(steps) for one in _at_points(spec)]
        for spec in specs
    ]
    width = _AXES_INCHES + _LETTER_INCHES * max((len(spec.label) for spec in specs), default=0)
    height = max(4.2, 1.0 + _ROW_INCHES * len(specs))
    # A figure of its own and not pyplot's, which keeps every figure and may open a window.
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_prop_cycle(
        cycler(linestyle=_DASHES) * cycler(color=matplotlib.color_sequences[_COLOURS])
    )
    # Curves often coincide. The later one is drawn thinner, so that those below it show.
    widths = np.linspace(4.0, 1.4, len(specs)) if len(specs) > 1 else [2.0]
    for spec, (middle, *others), width in zip(specs, rates, widths, strict=True):
        [line] = axes.plot(steps, middle, label=spec.label, linewidth=width, clip_on=False)
        if others:
            low, high = np.min([middle, *others], axis=0), np.max([middle, *others], axis=0)
            axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(xlim=(0, num_steps), ylim=(0, 1.03 * peak), xlabel="step", ylabel="learning rate")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A fixed salt and no date: the same schedules give the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "algoperf-lite"}):
        figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path


def _at_points(spec: NamedSchedule) -> list[NamedSchedule]:
    """The schedule at the middle of all that is searched, then at every end and middle of each;
    as it is where nothing is."""
    space = spec.search_space
    units = dict.fromkeys(
        [(0.5,) * len(space), *itertools.product((0.0, 0.5, 1.0), repeat=len(space))]
    )
    points = (map(tuning.value_at, space.values(), each) for each in units)
    return [spec.at(SimpleNamespace(**dict(zip(space, point, strict=True)))) for point in points]
