"""Every submission on every workload at its self-tuning point: who reaches which target, when?

One study for all, then `--num_studies` for the leaders; the same command continues.

    python -m studies.board --output=studies/board
"""

import argparse
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

import workloads
from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.experiment import plan
from algoperf_lite.experiment import run as experiment_run
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.experiment.progress import ExperimentProgress
from algoperf_lite.submission import find
from algoperf_lite.training import calibration
from algoperf_lite.training.clock import ON_CLOCK
from algoperf_lite.trial.config import ExperimentConfig
from scoring import benchmark, leaderboard
from scoring.views import terminal
from studies import families, script

Records = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]  # [submission][workload][study]


SMOKE = {
    "submissions": ["nadamw", "nesterov"],
    "workloads": ["digits"],
    "leaders": 1,
    "num_studies": 2,
    "budget_by": "steps",
    "output_dir": script.SMOKE_FOLDER / "board",
    "output": script.SMOKE_FOLDER / "board" / "board",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is compared, how often, and where results go."""
    add = parser.add_argument
    add("--submissions", type=script.listed(), default=find.names(), help="default: all")
    add("--workloads", type=script.listed(), default=workloads.names(), help="default: all")
    add("--leaders", type=int, default=6, help="how many are run more often")
    add("--num_studies", type=int, default=3, help="of the leaders")
    add("--budget_by", choices=["time", "steps"], default="time", help="steps: on a busy machine")
    add("--output_dir", type=Path, default=Path("runs/board"), help="where all runs are kept")
    add("--output", type=Path, default=Path("studies/board"), help="stem of table and plot")


def run(arguments: argparse.Namespace) -> None:
    """Trains what is not trained yet and writes tables and plot."""
    folder, on, by = arguments.output_dir, arguments.workloads, arguments.budget_by
    goal = benchmark.load("lite")
    # A first look at all needs one study; intervals are wanted of those that lead.
    train(folder, goal, arguments.submissions, on, by, num_studies=1)
    if arguments.leaders:
        entries = _score(folder, goal, by).rows[: arguments.leaders]
        leaders = [entry.submission for entry in entries]
        train(folder, goal, leaders, on, by, arguments.num_studies)
    board = _score(folder, goal, by)
    found = records(folder, [entry.submission for entry in board.rows], on)
    text = [
        terminal.markdown(board),
        "",
        *steps_table(found, on, goal.ruleset("self").slack),
        "",
        *seconds_table(found, on),
    ]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".md").write_text("\n".join(text) + "\n")
    plot(found, on).savefig(arguments.output.with_suffix(".png"), dpi=120)


def train(
    folder: Path,
    goal: benchmark.Benchmark,
    names: Sequence[str],
    on: Sequence[str],
    budget_by: str,
    num_studies: int,
) -> None:
    """Runs what is not finished of `num_studies` studies each, under the self-tuning ruleset."""
    rules = goal.ruleset("self")
    ruleset = tuning.Ruleset("self", num_studies, rules.num_trials, rules.slack)
    # The whole study is one experiment, so that entries take turns and a drift of the machine
    # hits all of them alike.
    planned = plan.Experiment(
        folder,
        ExperimentConfig("lite", "lite", ruleset, budget_by=budget_by),
        tuple(Contender(str(find.locate(name))) for name in names),
        tuple(on),
        {name: goal.workloads[name].value for name in on},
    )
    here = local.local(1, None)
    with ExperimentProgress(Console(stderr=True)) as progress:
        experiment_run.run(folder, planned.config, on, planned.plan, here, progress)


def _score(folder: Path, goal: benchmark.Benchmark, by: str) -> leaderboard.Leaderboard:
    # The experiment's own workloads are few where --workloads says so.
    return leaderboard.score(folder, goal, ruleset="self", by=by, only_present=True)


def records(folder: Path, names: Sequence[str], on: Sequence[str]) -> Records:
    """The records of all finished trials."""
    found = {name: families.records(folder / name) for name in names}
    return {name: {workload: found[name][workload] for workload in on} for name in names}


def steps_table(found: Records, on: Sequence[str], slack: float) -> Iterator[str]:
    """Lines of a markdown table: steps to target in step hints, or how near the best came.

    "in time" counts the workloads whose target is reached in the seconds of `slack` step hints,
    "seconds per step" is the median over workloads; both are against the reference's seconds per
    step in the first study, so that a busy machine slows both sides.
    """
    one = next(iter(found.values()))
    targets = [f"{one[w][0]['metric']} {one[w][0]['target']:.4g}" for w in on]
    yield f"| submission | reached | in time | seconds per step | {' | '.join(on)} |"
    yield "|---|---|---|---|" + "---|" * len(on)
    yield f"| *target* | | | | {' | '.join(targets)} |"
    for name, by_workload in found.items():
        cells = [cell(by_workload[workload]) for workload in on]
        count = sum(has_reached(by_workload[workload]) for workload in on)
        costs = [cost(by_workload[w], found[calibration.REFERENCE][w]) for w in on]
        # A study in which nothing could be compared says nothing about the cost.
        known = [c for c in costs if not math.isnan(c)]
        middle = f"{statistics.median(known):.2f}" if known else "?"
        in_time = sum(
            has_reached(by_workload[w], limit=slack / c) for w, c in zip(on, costs, strict=True)
        )
        head = f"| {name} | {count}/{len(on)} | {in_time}/{len(on)} | {middle} |"
        yield f"{head} {' | '.join(cells)} |"


def seconds_table(found: Records, on: Sequence[str]) -> Iterator[str]:
    """Lines of a markdown table: seconds to target on the submission's clock, in the first study,
    in which all submissions take turns."""
    yield f"| submission | {' | '.join(on)} |"
    yield "|---|" + "---|" * len(on)
    for name, by_workload in found.items():
        cells = []
        for workload in on:
            # Later studies are of the leaders alone, so their seconds are of another hour.
            first = [r for r in by_workload[workload] if r["study"] == 0]
            cells.append(f"{first[0]['time_to_target']:.1f}" if has_reached(first) else "")
        yield f"| {name} | {' | '.join(cells)} |"


def cell(group: Sequence[Mapping[str, Any]]) -> str:
    """'0.85' or '0.85 (2/3)' of the step hint; 'best 0.4751 at 1.21' or the status if nobody
    arrived: the value, and how many step hints its budget of seconds was good for."""
    arrived = [r for r in group if r["steps_to_target"] is not None]
    if arrived:
        share = statistics.median(r["steps_to_target"] / r["step_hint"] for r in arrived)
        return f"{share:.2f}" + (f" ({len(arrived)}/{len(group)})" if len(group) > 1 else "")
    # Where most of the studies diverged, the nearest one says how far the target was.
    last = max((r for r in group if r["best"] is not None), key=_nearness, default=None)
    statuses = {r["status"] for r in group} - {"not_reached"}
    text = ", ".join(sorted(statuses))
    if last is None:
        return text
    near = f"best {last['best']:.4g} at {last['steps'] / last['step_hint']:.2f}"
    return f"{text}, {near}" if text else near


def has_reached(group: Sequence[Mapping[str, Any]], limit: float = math.inf) -> bool:
    """Whether more than half of the studies did, within a limit in step hints."""
    arrived = [r for r in group if r["steps_to_target"] is not None]
    return sum(r["steps_to_target"] <= limit * r["step_hint"] for r in arrived) > len(group) / 2


def cost(group: Sequence[Mapping[str, Any]], reference: Sequence[Mapping[str, Any]]) -> float:
    """Seconds per step against the reference's, in the study that both have run and in which all
    submissions take turns; NaN where none was made."""
    one, other = (
        [
            sum(r["ledger"].get(a, 0.0) for a in ON_CLOCK) / r["steps"]
            for r in records
            if r["steps"] and r["study"] == 0
        ]
        for records in (group, reference)
    )
    return one[0] / other[0] if one and other else math.nan


def plot(found: Records, on: Sequence[str]) -> Figure:
    """Steps to target in step hints as a coloured matrix; what never arrived is left blank."""
    # Infinity sorts behind every number, so the median of a group that mostly missed is infinite.
    shares_SW = np.array(
        [
            [
                statistics.median(
                    (r["steps_to_target"] or np.inf) / r["step_hint"]
                    if "step_hint" in r
                    else np.inf
                    for r in by_workload[workload]
                )
                for workload in on
            ]
            for by_workload in found.values()
        ]
    )
    figure = Figure(figsize=(1.5 + 0.75 * len(on), 1.6 + 0.3 * len(found)), layout="constrained")
    axis = figure.subplots()
    shown = np.ma.masked_invalid(shares_SW)
    # From a quarter of the hint to the budget: what is off the scale is off the board.
    image = axis.imshow(shown, cmap="viridis_r", vmin=0.25, vmax=1.5, aspect="auto")
    for row, column in np.argwhere(np.isfinite(shares_SW)):
        value = shares_SW[row, column]
        # Dark cells are late ones.
        color = "white" if value > 0.9 else "black"
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=color)
    axis.set_xticks(range(len(on)), on, rotation=40, ha="right", fontsize=8)
    axis.set_yticks(range(len(found)), list(found), fontsize=8)
    figure.colorbar(image, label="steps to target, in step hints (blank: not reached)")
    return figure


def _nearness(record: Mapping[str, Any]) -> float:
    """Larger is nearer to the target."""
    return -abs(record["best"] - record["target"])


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
