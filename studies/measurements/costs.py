"""What studies have cost, and what they would have cost with a process for every run.

A study that trains many settings of one program, its peaks, points and seeds, does it in one
process: it starts, loads data, traces and compiles once for all of them. A line for each folder of
results: how many runs, in how many processes, the seconds of a core that these took, and the
seconds that a process for every run would have taken. That is told from the same results: each
further run of a process would start once more, in the least time that a process of its workload
took to start, which is one that found its programs compiled. Nothing is trained.

Of an experiment's directory, where every trial has a process, only what it took is told.

    python -m studies.measurements.costs runs/uba runs/experiment
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from studies import script

SMOKE: dict[str, Any] = {}  # reading takes no time


class Process(NamedTuple):
    """A process of a study: how many runs it made of one workload, in how many seconds, and how
    many of these went into training."""

    workload: str
    runs: int
    wall: float
    training: float

    @property
    def starting(self) -> float:
        """Seconds before the first step, and what ended the process."""
        return max(0.0, self.wall - self.training)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is read."""
    add = parser.add_argument
    add("folders", type=Path, nargs="+", help="where studies have kept their runs")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    print("| results | runs | processes | seconds of a core | with a process for each run |")
    print("|---|---|---|---|---|")
    for folder in arguments.folders:
        print(row(folder.name, list(processes(folder))))


def row(name: str, found: Sequence[Process]) -> str:
    """A study's line; it has no last figure where every run had a process."""
    runs, wall = sum(one.runs for one in found), sum(one.wall for one in found)
    apart = separately(found)
    last = "-" if runs == len(found) else f"{apart:,.0f} ({apart / wall:.2f}x)"
    return f"| {name} | {runs} | {len(found)} | {wall:,.0f} | {last} |"


def separately(found: Sequence[Process]) -> float:
    """Seconds of a core that these runs would have taken in a process each."""
    least: dict[str, float] = {}
    for one in found:
        least[one.workload] = min(one.starting, least.get(one.workload, one.starting))
    return sum(one.wall + (one.runs - 1) * least[one.workload] for one in found)


def processes(folder: Path) -> Iterator[Process]:
    """The processes that a study's folder, or an experiment's directory, has results of.

    Raises ValueError where there are none, or where they do not say what they took.
    """
    seen = 0
    for path in sorted(folder.rglob("*.json")):
        content = json.loads(path.read_text())
        if path.name == "trial.json":
            # Of trials that share a process, each has its part of the seconds.
            yield Process(content["workload"], 1, content["ledger"]["wall"], 0.0)
        elif isinstance(content, dict) and "training_seconds" in content:
            seconds = content["wall_seconds"], content["training_seconds"]
            yield Process(content["workload"], content["runs"], *seconds)
        else:
            continue
        seen += 1
    if not seen:
        raise ValueError(
            f"no results in {str(folder)!r} that say what they took; give the --output_dir of a "
            "study or of an experiment"
        )


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
