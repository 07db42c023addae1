"""Budgets and the shapes of schedules: which ends best where the budget is known in advance?

Every schedule at every budget, with the same peak learning rates for all; the best peak of each
counts, chosen by the median over seeds. Differences are paired by seed against cosine. Choosing the
peak on the seeds that are reported flatters every schedule alike; the intervals do not cover it.

    python -m studies.uba --output=studies/uba
"""

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from algoperf_lite.schedules import text as schedules_text
from algoperf_lite.submission import native
from studies import grid, script

SCHEDULES = "cosine linear step one_cycle rex wsd uba:phi=0.5 uba:phi=2 uba:phi=5"
BASELINE = "cosine"
Best = dict[tuple[str, float, str], tuple[grid.Cell, grid.Result]]


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
    found = best(grid.run(cells, arguments.num_seeds, arguments.output_dir))
    lines = table(found, schedules, budgets, on)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".md").write_text("\n".join(lines) + "\n")
    plot(found, schedules, budgets, on).savefig(arguments.output.with_suffix(".png"), dpi=120)


def best(results: Mapping[grid.Cell, grid.Result]) -> Best:
    """Of each (schedule, budget, workload) the peak with the lowest median loss."""
    found: Best = {}
    for cell, result in results.items():
        key = (cell.schedule, cell.budget, cell.workload)
        # The median does not mind one seed that diverged.
        if key not in found or np.median(result.losses_S) < np.median(found[key][1].losses_S):
            found[key] = cell, result
    return found


def table(
    found: Best, schedules: Sequence[str], budgets: Sequence[float], workloads: Sequence[str]
) -> Iterator[str]:
    """Lines of one markdown table per workload: the metric (range of seeds) at the best peak."""
    for workload in workloads:
        metric = found[schedules[0], budgets[0], workload][1].metric
        yield f"**{workload}** ({metric})"
        yield ""
        yield f"| schedule | {' | '.join(f'{budget:.0%}' for budget in budgets)} |"
        yield "|---|" + "---|" * len(budgets)
        for schedule in schedules:
            row = [_cell(found, schedule, budget, workload) for budget in budgets]
            yield f"| {schedules_text.parse(schedule).label} | {' | '.join(row)} |"
        yield ""


def _cell(found: Best, schedule: str, budget: float, workload: str) -> str:
    """'0.4521 (0.4503-0.4530), peak 0.01, better': with what the paired interval allows to say."""
    cell, result = found[schedule, budget, workload]
    # A range over the seeds that are left would look better than it is.
    if not np.all(np.isfinite(result.values_S)):
        return f"diverged in {np.isnan(result.values_S).sum()} of {len(result.values_S)}"
    low, high = result.values_S.min(), result.values_S.max()
    text = f"{np.median(result.values_S):.4g} ({low:.4g}-{high:.4g}), peak {cell.peak:.2g}"
    if schedule == BASELINE or (BASELINE, budget, workload) not in found:
        return text
    _, low, high = grid.difference(result, found[BASELINE, budget, workload][1])
    return text + (", better" if high < 0 else ", worse" if low > 0 else "")


def plot(
    found: Best, schedules: Sequence[str], budgets: Sequence[float], workloads: Sequence[str]
) -> Figure:
    """Loss above cosine's, paired by seed, with its interval: a panel per workload and budget."""
    figure = Figure(figsize=(3.2 * len(budgets), 2.4 * len(workloads)), layout="constrained")
    # One axis for all budgets of all workloads: a difference looks as large as it is.
    axes = figure.subplots(len(workloads), len(budgets), squeeze=False, sharey=True)
    labels = [schedules_text.parse(schedule).label for schedule in schedules]
    for row, column in np.ndindex(axes.shape):
        axis, workload, budget = axes[row, column], workloads[row], budgets[column]
        baseline = found[BASELINE, budget, workload][1]
        for place, schedule in enumerate(schedules):
            mean, low, high = grid.difference(found[schedule, budget, workload][1], baseline)
            # Green and red where the interval excludes zero.
            color = "tab:green" if high < 0 else "tab:red" if low > 0 else "0.4"
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
    figure.supxlabel(
        f"loss above {BASELINE}'s (left is better), {grid.CONFIDENCE:.0%} interval", fontsize=9
    )
    return figure


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
