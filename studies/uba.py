"""Budgets and the shapes of schedules: which ends best where the budget is known in advance?

Every schedule at every budget, with the same peak learning rates for all; the best peak of each
counts, chosen by the median over seeds. Where it lies at an edge of the grid, two more peaks beyond
are tried, once, and the table says so. Differences are paired by seed against cosine; whether one
is better or worse is corrected for the number of schedules at that budget (Holm). Choosing the peak
on the seeds that are reported flatters every schedule alike; the intervals do not cover it.

    python -m studies.uba --output=studies/uba
"""

import argparse
import dataclasses
import itertools
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from algoperf_lite.schedules import text as schedules_text
from algoperf_lite.submission import native
from studies import edges, grid, script

SCHEDULES = "cosine linear step one_cycle rex wsd uba:phi=0.5 uba:phi=2 uba:phi=5"
BASELINE = "cosine"
Setting = tuple[str, float, str]  # schedule, budget, workload


class Chosen(NamedTuple):
    """The best peak of a setting.

    Attributes:
      is_at_edge: of all peaks that were tried.
      is_widened: the best lay at an edge, so there are more peaks than the grid has.
    """

    cell: grid.Cell
    result: grid.Result
    is_at_edge: bool
    is_widened: bool


Best = dict[Setting, Chosen]

SMOKE = {
    "schedules": ["cosine", "uba:phi=2"],
    "budgets": [0.05],
    "workloads": ["digits"],
    "peaks": [1.0],
    "num_seeds": 2,
    "output_dir": script.SMOKE_FOLDER / "uba",
    "output": script.SMOKE_FOLDER / "uba" / "uba",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the grid, and where results go."""
    add, floats = parser.add_argument, script.listed(float)
    add("--schedules", type=script.listed(), default=SCHEDULES.split(), help="as in `run`")
    add("--budgets", type=floats, default=[0.25, 0.5, 1.0], help="in step hints")
    add("--workloads", type=script.listed(), default=["digits", "criteo1tb", "imagenet_resnet"])
    add("--submission", default="nadamw", help="whose optimizer")
    add("--peaks", type=floats, default=[0.3, 1.0, 3.0], help="times its own peak")
    add("--num_seeds", type=int, default=3)
    add("--output_dir", type=Path, default=Path("runs/uba"), help="where all runs are kept")
    add("--output", type=Path, default=Path("studies/uba"), help="stem of table and plot")


def run(arguments: argparse.Namespace) -> None:
    """Trains what is not trained yet and writes tables and plot."""
    # In one spelling, under which results are kept and found again.
    schedules = [str(schedules_text.parse(text)) for text in arguments.schedules]
    budgets, on = arguments.budgets, arguments.workloads
    # Peaks are relative to the submission's own, which is known to work on these workloads.
    own = native.load(arguments.submission).self_tuning_point["learning_rate"]
    cells = [
        grid.Cell(arguments.submission, schedule, budget, workload, peak * own)
        for workload, budget, peak, schedule in itertools.product(
            on, budgets, arguments.peaks, schedules
        )
    ]
    results = grid.run(cells, arguments.num_seeds, arguments.output_dir)
    more = beyond(results)
    results |= grid.run(more, arguments.num_seeds, arguments.output_dir, grid.WIDENED)
    found = best(results, more)
    lines = [*table(found, schedules, budgets, on), said_of_edges(found)]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".md").write_text("\n".join(lines) + "\n")
    plot(found, schedules, budgets, on).savefig(arguments.output.with_suffix(".png"), dpi=120)


def beyond(results: Mapping[grid.Cell, grid.Result]) -> list[grid.Cell]:
    """The cells by which the grid of each setting is widened whose best peak lies at an edge."""
    peaks = _peaks(results)
    return [
        dataclasses.replace(chosen.cell, peak=peak)
        for key, chosen in best(results).items()
        for peak in edges.beyond(peaks[key], [chosen.cell.peak])
    ]


def best(results: Mapping[grid.Cell, grid.Result], widened: Collection[grid.Cell] = ()) -> Best:
    """Of each setting the peak with the lowest median loss.

    Args:
      widened: those of the cells that `beyond` added.
    """
    found: dict[Setting, grid.Cell] = {}
    # The median does not mind one seed that diverged.
    losses = {cell: np.median(result.losses_S) for cell, result in results.items()}
    # By their peaks: where all diverge, the least is the best, and the grid is widened below it.
    for cell in sorted(results, key=lambda cell: cell.peak):
        key = _setting(cell)
        if key not in found or losses[cell] < losses[found[key]]:
            found[key] = cell
    peaks, grown = _peaks(results), {_setting(cell) for cell in widened}
    return {
        key: Chosen(cell, results[cell], edges.is_at_edge(peaks[key], cell.peak), key in grown)
        for key, cell in found.items()
    }


def _setting(cell: grid.Cell) -> Setting:
    return cell.schedule, cell.budget, cell.workload


def _peaks(cells: Collection[grid.Cell]) -> dict[Setting, list[float]]:
    found: dict[Setting, list[float]] = {}
    for cell in cells:
        found.setdefault(_setting(cell), []).append(cell.peak)
    return found


def said_of_edges(found: Best) -> str:
    """A sentence about the grids that were widened, and what it came to."""
    grown = [chosen for chosen in found.values() if chosen.is_widened]
    left = sum(chosen.is_at_edge for chosen in grown)
    return (
        f"The best peak lay at an edge of the grid in {len(grown)} of {len(found)} settings, which "
        f"got {edges.NUM_NEW} more peaks beyond it ('widened'); in {left} of them it still does."
    )


def verdicts(
    found: Best, schedules: Sequence[str], budgets: Sequence[float], workloads: Sequence[str]
) -> dict[Setting, str]:
    """ "better" or "worse" than the baseline, or "" where chance may have done it.

    Holm's correction is for all schedules that are compared with it at one budget of one workload.
    """
    said = {}
    for budget, workload in itertools.product(budgets, workloads):
        baseline = found.get((BASELINE, budget, workload))
        others = [one for one in schedules if one != BASELINE and baseline is not None]
        results = {one: found[one, budget, workload].result for one in others}
        surely = grid.holm({one: grid.p_value(results[one], baseline.result) for one in others})
        for one in others:
            mean, _, _ = grid.difference(results[one], baseline.result)
            is_told = surely[one] < 1 - grid.CONFIDENCE
            said[one, budget, workload] = ("better" if mean < 0 else "worse") if is_told else ""
    return said


def table(
    found: Best, schedules: Sequence[str], budgets: Sequence[float], workloads: Sequence[str]
) -> Iterator[str]:
    """Lines of one markdown table per workload: the metric (range of seeds) at the best peak."""
    said = verdicts(found, schedules, budgets, workloads)
    for workload in workloads:
        metric = found[schedules[0], budgets[0], workload][1].metric
        yield f"**{workload}** ({metric})"
        yield ""
        yield f"| schedule | {' | '.join(f'{budget:.0%}' for budget in budgets)} |"
        yield "|---|" + "---|" * len(budgets)
        for schedule in schedules:
            keys = [(schedule, budget, workload) for budget in budgets]
            row = [_cell(found[key], said.get(key, "")) for key in keys]
            yield f"| {schedules_text.parse(schedule).label} | {' | '.join(row)} |"
        yield ""


def _cell(chosen: Chosen, verdict: str) -> str:
    """'0.4521 (0.4503-0.4530), peak 0.01, better': with what is sure, and where the grid ended."""
    cell, result = chosen.cell, chosen.result
    # A range over the seeds that are left would look better than it is.
    if not np.all(np.isfinite(result.values_S)):
        return f"diverged in {np.isnan(result.values_S).sum()} of {len(result.values_S)}"
    low, high = result.values_S.min(), result.values_S.max()
    parts = [
        f"{np.median(result.values_S):.4g} ({low:.4g}-{high:.4g})",
        f"peak {cell.peak:.2g}",
        "widened" if chosen.is_widened else "",
        "at the edge" if chosen.is_at_edge else "",
        verdict,
    ]
    return ", ".join(filter(None, parts))


def plot(
    found: Best, schedules: Sequence[str], budgets: Sequence[float], workloads: Sequence[str]
) -> Figure:
    """Loss above cosine's, paired by seed, with its interval: a panel per workload and budget."""
    figure = Figure(figsize=(3.2 * len(budgets), 2.4 * len(workloads)), layout="constrained")
    # One axis for all budgets of all workloads: a difference looks as large as it is.
    axes = figure.subplots(len(workloads), len(budgets), squeeze=False, sharey=True)
    labels = [schedules_text.parse(schedule).label for schedule in schedules]
    said = verdicts(found, schedules, budgets, workloads)
    for row, column in np.ndindex(axes.shape):
        axis, workload, budget = axes[row, column], workloads[row], budgets[column]
        baseline = found[BASELINE, budget, workload].result
        for place, schedule in enumerate(schedules):
            key = schedule, budget, workload
            mean, low, high = grid.difference(found[key].result, baseline)
            color = {"better": "tab:green", "worse": "tab:red"}.get(said.get(key, ""), "0.4")
            # A diverged seed has no interval, and the table says that it diverged.
            if np.isfinite([mean, low, high]).all():
                axis.plot([low, high], [place, place], color=color, linewidth=2)
                axis.plot(mean, place, "o", color=color, markersize=4)
        axis.axvline(0, color="0.7", linewidth=0.8, zorder=0)
        axis.set_title(f"{workload}, {budget:.0%}", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.locator_params(axis="x", nbins=4)
        axis.set_yticks(range(len(labels)), labels)
    # In the order of the table, from above.
    axes[0, 0].invert_yaxis()
    what = (
        f"loss above {BASELINE}'s (left is better), {grid.CONFIDENCE:.0%} interval of each alone; "
        "coloured: told apart after Holm's correction"
    )
    # As wide as the panels are; a longer line would be cut off.
    figure.supxlabel(textwrap.fill(what, 44 * len(budgets)), fontsize=9)
    return figure


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
