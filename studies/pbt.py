"""Does a population find more than the search that it replaces, for the same steps of training?

Five ways to spend the steps of M whole runs: M seeds of the submission's own point; M quasi-random
points; successive halving of more points (Jamieson & Talwalkar 2016, arXiv:1502.07943), whose
rungs lie at an eighth, a quarter and a half of a run; and population based training of M members.
Each way ends with one model, the best on validation, which is what its table says of validation;
the same model on test has not been chosen by what is shown.

    python -m studies.pbt --output=studies/pbt
"""

import argparse
import dataclasses
import itertools
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import workloads
from algoperf_lite.submission import find
from scoring import benchmark
from studies import comparisons, grid, script
from studies.ways import WAYS, Course, Search, Way

BASELINE = WAYS[1]
SMOKE = {
    "workloads": ["digits"],
    "members": 2,
    "budget": 0.05,
    "num_seeds": 2,
    "output_dir": script.SMOKE_FOLDER / "pbt",
    "output": script.SMOKE_FOLDER / "pbt" / "pbt",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is searched, by how many, and where results go."""
    add = parser.add_argument
    add("--workloads", type=script.listed(), default=["digits"])
    add("--submission", default="nadamw", help="whose search space")
    add("--members", type=int, default=8, help="whole runs that each way may spend")
    add("--budget", type=float, default=1.0, help="a run, in step hints")
    add("--num_seeds", type=int, default=5)
    add("--output_dir", type=Path, default=Path("runs/pbt_study"), help="where runs are kept")
    add("--output", type=Path, default=Path("studies/pbt"), help="stem of the table")


def run(arguments: argparse.Namespace) -> None:
    """Trains what is not trained yet and writes the table."""
    goal = benchmark.load("lite")
    keys = list(itertools.product(arguments.workloads, WAYS, grid.seeds(arguments.num_seeds)))
    payloads = {
        arguments.output_dir / workload / f"{WAYS.index(way)}_{seed}.json": {
            "submission": str(find.locate(arguments.submission)),
            "workload": workload,
            "target": goal.workloads[workload].value,
            "way": list(way),
            "members": arguments.members,
            "budget": arguments.budget,
            "seed": seed,
        }
        for workload, way, seed in keys
    }
    fields = [field.name for field in dataclasses.fields(Course)]
    kept = [
        Course(*(content[name] for name in fields))
        for content in grid.conduct("studies.pbt", payloads)
    ]
    found = dict(zip(keys, kept, strict=True))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    lines = itertools.chain.from_iterable(
        table(found, name, goal.workloads[name].metric) for name in arguments.workloads
    )
    arguments.output.with_suffix(".md").write_text("\n".join(lines) + "\n")


def work(payload: Mapping[str, Any], report: Callable[..., None]) -> dict[str, Any]:
    """A job: the fields of a `Course`, and what `studies.measurements.costs` asks for."""
    workload = workloads.load(payload["workload"], "lite")
    workload = dataclasses.replace(
        workload, step_hint=max(1, round(payload["budget"] * workload.step_hint))
    )
    search = Search(workload, payload, lambda: report(event="beat"))
    course = dataclasses.asdict(search.course())
    return {**course, "runs": search.rules.size, "training_seconds": search.training_seconds}


def table(
    found: Mapping[tuple[str, Way, int], Course], workload: str, metric: str
) -> Iterator[str]:
    """Lines of a markdown table of one workload: a row per way."""
    ways = {way: [c for key, c in found.items() if key[:2] == (workload, way)] for way in WAYS}
    yield f"**{workload}** ({metric})"
    yield ""
    yield (
        f"| way | steps of all | on validation | on test | test loss above {BASELINE.name} | "
        "target: seeds, steps of all |"
    )
    yield "|---|---|---|---|---|---|"
    for way, courses in ways.items():
        arrived = [c.steps_to_target for c in courses if c.steps_to_target is not None]
        target = f"{len(arrived)}/{len(courses)}"
        target += f", {statistics.median(arrived):.0f}" if arrived else ""
        steps = statistics.median(c.steps for c in courses)
        spans = [_span([getattr(c, split) for c in courses]) for split in ("validation", "test")]
        gap = "" if way == BASELINE else _gap(courses, ways[BASELINE], metric)
        yield f"| {way.name} | {steps:.0f} | {' | '.join(spans)} | {gap} | {target} |"
    yield ""


def _gap(courses: Sequence[Course], others: Sequence[Course], metric: str) -> str:
    """'0.0025 (-0.001 to 0.006)': of losses on test, paired by seed, Student's interval."""
    one, other = (
        grid.Result(metric, np.array([c.test for c in side], float)) for side in (courses, others)
    )
    mean, low, high = comparisons.difference(one, other)
    return f"{mean:.2g} ({low:.2g} to {high:.2g})"


def _span(values: Sequence[float | None]) -> str:
    """'0.9825 (0.9775-0.985)': median and range of the seeds."""
    sound = [value for value in values if value is not None]
    if len(sound) < len(values):
        return f"diverged in {len(values) - len(sound)} of {len(values)}"
    return f"{statistics.median(sound):.4g} ({min(sound):.4g}-{max(sound):.4g})"


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
