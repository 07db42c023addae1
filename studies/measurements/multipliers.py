"""Whether AlgoPerf's hyperparameters are right for lite models: multipliers and learning rates.

A line for each family with a parameter multiplier m: the median validation metric of NAdamW at
AlgoPerf's published point with half of m, m and twice m, and the learning rate of the best
quasi-random point of NAdamW beside the published one: of the search that set the target, and of one
with more points, where it was gone on with. Nothing is trained: it reads what `algoperf-lite
set_targets` has kept.

    python -m studies.measurements.multipliers
"""

import argparse
import statistics
from collections.abc import Mapping
from typing import Any

import workloads
from algoperf_lite.experiment.published import nadamw_point
from algoperf_lite.training.calibration import REFERENCE
from scoring import benchmark
from studies import script

SMOKE: dict[str, Any] = {}
# Names in the provenance of a target: the search that set it, and the same one gone on with.
SEARCHES = ("best_of_points", "best_of_more_points")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds which targets' points are shown."""
    parser.add_argument("--benchmark", default="lite", help="name, of a version or of the newest")
    parser.add_argument("--scale", default="lite", help="of the multipliers")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    origins = benchmark.provenance(arguments.benchmark)
    columns = "metric", "m", "at m/2", "at m", "at 2m", "published rate", "best rate", "of more"
    print(f"| family | {' | '.join(columns)} |")
    print("|---" * (1 + len(columns)) + "|")
    for family in workloads.names():
        found = workloads.multiplier(family, arguments.scale)
        if found is not None:
            print(row(family, found, origins.get(family)))


def row(family: str, found: Mapping[str, Any], origin: Mapping[str, Any] | None) -> str:
    """A family's line; `origin` is the provenance of its target, if it has one."""
    origin_of_m, m = found["provenance"], found["value"]
    # Values are kept with four digits, so that a key is found by its number.
    metrics = {float(key): values for key, values in origin_of_m["best_by_multiplier"].items()}
    cells = [_median(metrics, factor * m) for factor in (0.5, 1.0, 2.0)]
    published = nadamw_point(family)["learning_rate"]
    searches = [(origin or {}).get(which, {}).get(REFERENCE) for which in SEARCHES]
    found_of_each = [_rate(best, published) for best in searches]
    head = f"| {family} | {origin_of_m['metric']} | {m:g}"
    return " | ".join([head, *cells, f"{published:.3g}", *found_of_each]) + " |"


def _rate(best: Mapping[str, Any] | None, published: float) -> str:
    """'0.00274 (1.57)': the learning rate of a search's best point, and how many times it is away
    from the published one, to either side; '-' where nothing was searched."""
    if best is None:
        return "-"
    rate = best["hyperparameters"]["learning_rate"]
    return f"{rate:.3g} ({max(rate / published, published / rate):.2f})"


def _median(metrics: Mapping[float, list[float | None]], multiplier: float) -> str:
    """The median metric at the multiplier that is nearest, of those within 2%; '-' for none."""
    near = [value for value in metrics if abs(value / multiplier - 1) < 0.02]
    if not near:
        return "-"
    values = metrics[near[0]]
    # Of runs that diverged there is no metric, and a median of the others would be too good.
    return "diverged" if None in values else f"{statistics.median(values):.4g}"


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
