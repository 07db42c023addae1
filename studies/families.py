"""A table of the families: how many seeds reach the target, when, and how much they differ.

    algoperf-lite run --submissions=nadamw,nesterov --workloads=all --num_studies=3 \
        --tuning_ruleset=self --output_dir=runs/families
    python -m studies.families runs/families
"""

import argparse
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite.trial import logs
from studies import script

SMOKE: dict[str, Any] = {}  # reading logs takes no time


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is read."""
    parser.add_argument("directory", type=Path, help="output directory of the experiment")
    parser.add_argument("--submissions", type=script.listed(), default=["nadamw", "nesterov"])


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    print("\n".join(table(arguments.directory, arguments.submissions)))


def table(directory: Path, submissions: Sequence[str]) -> Iterator[str]:
    """Lines of a markdown table: a row per workload, a column per submission.

    Raises ValueError where the directory holds no finished trial of a submission.
    """
    found = {name: records(directory / name) for name in submissions}
    yield f"| workload | target | {' | '.join(submissions)} |"
    yield "|---|---|" + "---|" * len(submissions)
    # One row per workload of the first submission: the others may not have been run on all.
    for workload, trials in found[submissions[0]].items():
        first = trials[0]
        cells = [cell(found[name].get(workload, [])) for name in submissions]
        yield f"| {workload} | {first['metric']} {first['target']:.4g} | {' | '.join(cells)} |"


def cell(records: Sequence[dict[str, Any]]) -> str:
    """'3/3: 8.1 s (7.9-8.4), 1632 steps (CV 4%)', or the best value where nobody arrived."""
    arrived = [r for r in records if r["status"] == "reached"]
    share = f"{len(arrived)}/{len(records)}"
    if not arrived:
        # Without a time, how near each seed came is all there is to say.
        best = [r["best"] for r in records if r["best"] is not None]
        return f"{share}: best {', '.join(f'{value:.4g}' for value in best)}"
    seconds = [r["time_to_target"] for r in arrived]
    steps = [r["steps_to_target"] for r in arrived]
    spread = f"{min(seconds):.1f}-{max(seconds):.1f}"
    variation = f", CV {statistics.stdev(steps) / statistics.mean(steps):.0%}" if steps[1:] else ""
    middle = statistics.median(seconds), statistics.median(steps)
    return f"{share}: {middle[0]:.1f} s ({spread}), {middle[1]:.0f} steps{variation}"


def records(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Finished trials of one submission by workload."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("study_*/*_jax/trial_*")):
        record = logs.read_record(path)
        # A trial without a record is still running, or was interrupted.
        if record is not None:
            found.setdefault(record["workload"], []).append(record)
    if not found:
        raise ValueError(f"no finished trial in {str(folder)!r}; run the experiment first")
    return dict(sorted(found.items()))


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
