"""Does pairing help? Noise that submissions of one study share, in experiments that were kept.

In one study all submissions have the same initial parameters and order of data. If that made their
luck the same, differences between them would be less noisy than their times are apart.

    python -m studies.pairing runs/one runs/two

For each pair of submissions on each workload with three or more studies in common: the variance of
their difference over studies, against the sum of their variances, which is what it would be without
anything in common. Summed over pairs and workloads, each workload in units of its noise, once of
log steps to target, where both reached it in those studies, and once of the best validation metric.
"""

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from scoring import benchmark as benchmarks
from scoring.logs import read
from scoring.logs.read import Trial
from scoring.stats.times import crossing, value_at
from studies import script

SMOKE = {"directories": []}
_LEAST = 3  # studies that two submissions have in common
_NUM_DRAWS = 2000
_COVERAGE = (2.5, 97.5)
Cell = Mapping[int, float]  # {study: value}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the experiments."""
    parser.add_argument("directories", type=Path, nargs="*", help="of logs")
    parser.add_argument("--benchmark", default="lite", help="has the targets")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    print("| experiment | of | pairs x workloads | paired / unpaired variance | 95% interval |")
    print("|---|---|---|---|---|")
    for directory in arguments.directories:
        for what, cells in values(directory, arguments.benchmark).items():
            print(f"| {directory} | {what} | {row(cells)} |", flush=True)


def values(directory: Path, benchmark: str) -> dict[str, dict[str, dict[str, Cell]]]:
    """{what: {workload: {submission: value of each study}}}; of the best trial of a study."""
    goal = benchmarks.load(benchmark)
    trials, _ = read.read(directory, {name: t.metric for name, t in goal.workloads.items()})
    steps: dict[str, dict[str, dict[int, float]]] = {}
    best: dict[str, dict[str, dict[int, float]]] = {}
    for trial in trials:
        target = goal.workloads[trial.workload]
        # AlgoPerf's and ours are one submission's logs: its studies are by number.
        place = trial.workload, trial.submission, trial.study
        _least(steps, place, np.log(value_at(trial, crossing(trial, target), "exact", "steps")))
        _least(best, place, _best(trial, target.lower_is_better))
    return {"log steps to target": steps, "best metric": best}


def row(cells: Mapping[str, Mapping[str, Cell]]) -> str:
    """Number of pairs, ratio of variances, its interval over pairs and workloads."""
    found = list(variances(cells))
    if not found:
        return "0 | |"
    paired_P, unpaired_P = np.array(found).T
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(found), size=(_NUM_DRAWS, len(found)))
    ratio_N = paired_P[drawn].sum(axis=1) / unpaired_P[drawn].sum(axis=1)
    low, high = np.percentile(ratio_N, _COVERAGE)
    ratio = paired_P.sum() / unpaired_P.sum()
    return f"{len(found)} | {ratio:.2f} | {low:.2f} to {high:.2f}"


def variances(cells: Mapping[str, Mapping[str, Cell]]) -> Iterator[tuple[float, float]]:
    """(variance of the difference, sum of variances) of each pair on each workload, relative to
    the mean sum there."""
    for of_workload in cells.values():
        found = []
        for one, two in itertools.combinations(sorted(of_workload), 2):
            shared = _shared((of_workload[one], of_workload[two]))
            if len(shared) < _LEAST:
                continue
            a, b = (np.array([of_workload[s][i] for i in shared]) for s in (one, two))
            unpaired = a.var(ddof=1) + b.var(ddof=1)
            if unpaired > 0:
                found.append(((a - b).var(ddof=1), unpaired))
        scale = np.mean([unpaired for _, unpaired in found]) if found else 1.0
        yield from ((float(one / scale), float(two / scale)) for one, two in found)


def _shared(cells: Sequence[Cell]) -> list[int]:
    """Studies in which all cells have a finite value."""
    numbers = set.intersection(*(set(cell) for cell in cells))
    return sorted(i for i in numbers if all(np.isfinite(cell[i]) for cell in cells))


def _best(trial: Trial, lower_is_better: bool) -> float:
    """The best metric, turned so that less is better; inf where there is none."""
    known = trial.metric[np.isfinite(trial.metric)]
    turned = known if lower_is_better else -known
    return float(turned.min()) if turned.size else np.inf


def _least(
    cells: dict[str, dict[str, dict[int, float]]], place: tuple[str, str, int], value: float
) -> None:
    workload, submission, study = place
    cell = cells.setdefault(workload, {}).setdefault(submission, {})
    cell[study] = min(cell.get(study, np.inf), value)


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
