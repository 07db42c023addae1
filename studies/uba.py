"""Budgets and the shapes of schedules: which ends best where the budget is known in advance?

Every schedule at every budget, with the same peak learning rates for all, of each optimizer. The
best peak of each is chosen by the median over its search's seeds; where it lies at an edge of the
grid, two more peaks beyond are tried, once, and the table says so. What is reported are finalists:
runs of the best peak with other seeds, so that nobody keeps the luck it was chosen for. Differences
are paired by seed against cosine; whether one is better or worse is corrected for the number of
schedules at that budget (Holm).

UBA's phi is a parameter that others have not. A last row has the one phi, for all budgets, that
ranks best on the other workloads.

    python -m studies.uba --output=studies/uba
"""

import argparse
import itertools
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from algoperf_lite.schedules import text as schedules_text
from algoperf_lite.submission import native
from studies import best_peaks, comparisons, grid, script

SCHEDULES = "cosine linear step one_cycle rex wsd uba:phi=0.25 uba:phi=1 uba:phi=5 uba:phi=10"
# As many as there are finalists' seeds: populations of one size share their programs.
PEAKS = [0.1, 0.3, 1.0, 3.0, 10.0]
Panel = tuple[str, str]  # submission, workload

SMOKE = {
    "schedules": ["cosine", "uba:phi=2"],
    "submissions": ["nadamw"],
    "budgets": [0.05],
    "workloads": ["digits"],
    "peaks": [1.0],
    "num_search_seeds": 1,
    "num_seeds": 2,
    "output_dir": script.SMOKE_FOLDER / "uba",
    "output": script.SMOKE_FOLDER / "uba" / "uba",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the grid, and where results go."""
    add, floats = parser.add_argument, script.listed(float)
    add("--schedules", type=script.listed(), default=SCHEDULES.split(), help="as in `run`")
    add("--submissions", type=script.listed(), default=["nadamw", "nesterov"], help="optimizers")
    add("--budgets", type=floats, default=[0.08, 0.16, 0.32], help="in step hints")
    add("--workloads", type=script.listed(), default=["digits", "criteo1tb", "imagenet_resnet"])
    add("--peaks", type=floats, default=PEAKS, help="times its own peak")
    add("--num_search_seeds", type=int, default=1, help="of each peak")
    add("--num_seeds", type=int, default=5, help="of the best peak, which are others")
    add("--output_dir", type=Path, default=Path("runs/uba"), help="where all runs are kept")
    add("--output", type=Path, default=Path("studies/uba"), help="stem of table and plot")


def run(arguments: argparse.Namespace) -> None:
    """Trains what is not trained yet and writes tables and plot."""
    # In one spelling, under which results are kept and found again.
    schedules = [str(schedules_text.parse(text)) for text in arguments.schedules]
    folder, num_seeds = arguments.output_dir, arguments.num_search_seeds
    # Peaks are relative to a submission's own, which is known to work on these workloads.
    own = {name: native.load(name).self_tuning_point for name in arguments.submissions}
    cells = [
        grid.Cell(submission, schedule, budget, workload, peak * own[submission]["learning_rate"])
        for workload, submission, budget, peak, schedule in itertools.product(
            arguments.workloads, own, arguments.budgets, arguments.peaks, schedules
        )
    ]
    results = grid.run(cells, num_seeds, folder)
    more = best_peaks.beyond(results)
    results |= grid.run(more, num_seeds, folder, grid.WIDENED)
    found = best_peaks.best(results, more)
    finals = [chosen.cell for chosen in found.values()]
    again = grid.run(finals, arguments.num_seeds, folder, grid.FINALISTS, first=num_seeds)
    found = {key: chosen._replace(result=again[chosen.cell]) for key, chosen in found.items()}
    found |= best_peaks.elsewhere(found)
    shape = [*schedules, best_peaks.ELSEWHERE], arguments.budgets
    panels = list(itertools.product(own, arguments.workloads))
    lines = [*table(found, *shape, panels), best_peaks.said_of_edges(found)]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".md").write_text("\n".join(lines) + "\n")
    plot(found, *shape, panels).savefig(arguments.output.with_suffix(".png"), dpi=120)


def table(
    found: best_peaks.Best,
    schedules: Sequence[str],
    budgets: Sequence[float],
    panels: Sequence[Panel],
) -> Iterator[str]:
    """Lines of one markdown table per panel: the metric (range of seeds) at the best peak."""
    said = best_peaks.verdicts(found)
    for submission, workload in panels:
        first = found[submission, schedules[0], budgets[0], workload]
        yield f"**{workload}, {submission}** ({first.result.metric})"
        yield ""
        yield f"| schedule | {' | '.join(f'{budget:.0%}' for budget in budgets)} |"
        yield "|---|" + "---|" * len(budgets)
        for schedule in schedules:
            keys = [(submission, schedule, budget, workload) for budget in budgets]
            if keys[0] in found:
                row = [_cell(found[key], said.get(key, "")) for key in keys]
                yield f"| {_label(found[keys[0]], schedule)} | {' | '.join(row)} |"
        yield ""


def _label(chosen: best_peaks.Chosen, schedule: str) -> str:
    """'rex'; 'uba, phi of the other workloads: uba(phi=1)'."""
    own = schedules_text.parse(chosen.cell.schedule).label
    return own if schedule == chosen.cell.schedule else f"{schedule}: {own}"


def _cell(chosen: best_peaks.Chosen, verdict: str) -> str:
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
    found: best_peaks.Best,
    schedules: Sequence[str],
    budgets: Sequence[float],
    panels: Sequence[Panel],
) -> Figure:
    """Loss above cosine's, paired by seed, with its interval: a row per panel, a column per
    budget."""
    figure = Figure(figsize=(3.2 * len(budgets), 2.4 * len(panels)), layout="constrained")
    # One axis for all budgets of all workloads: a difference looks as large as it is.
    axes = figure.subplots(len(panels), len(budgets), squeeze=False, sharey=True)
    # That of other workloads is a row of the table, and the same point as another one here.
    shown = [one for one in schedules if one != best_peaks.ELSEWHERE]
    said = best_peaks.verdicts(found)
    for row, column in np.ndindex(axes.shape):
        axis, (submission, workload), budget = axes[row, column], panels[row], budgets[column]
        baseline = found[submission, best_peaks.BASELINE, budget, workload].result
        for place, schedule in enumerate(shown):
            key = submission, schedule, budget, workload
            mean, low, high = comparisons.difference(found[key].result, baseline)
            color = {"better": "tab:green", "worse": "tab:red"}.get(said.get(key, ""), "0.4")
            # A diverged seed has no interval, and the table says that it diverged.
            if np.isfinite([mean, low, high]).all():
                axis.plot([low, high], [place, place], color=color, linewidth=2)
                axis.plot(mean, place, "o", color=color, markersize=4)
        axis.axvline(0, color="0.7", linewidth=0.8, zorder=0)
        axis.set_title(f"{workload}, {submission}, {budget:.0%}", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.locator_params(axis="x", nbins=4)
        axis.set_yticks(range(len(shown)), [schedules_text.parse(one).label for one in shown])
    # In the order of the table, from above.
    axes[0, 0].invert_yaxis()
    what = (
        f"loss above {best_peaks.BASELINE}'s (left is better), {comparisons.CONFIDENCE:.0%} "
        "interval of each alone; coloured: told apart after Holm's correction"
    )
    # As wide as the panels are; a longer line would be cut off.
    figure.supxlabel(textwrap.fill(what, 44 * len(budgets)), fontsize=9)
    return figure


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
