"""`algoperf-lite replay`: the winner of a population as a submission file."""

import argparse
from pathlib import Path

HELP = "write the winner of a population as a submission file"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument(
        "lineage",
        metavar="LINEAGE",
        type=Path,
        help="the lineage.jsonl in the directory of a population's trial",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="the .py file to write; none is ever replaced (required)",
    )


def run(args: argparse.Namespace) -> int:
    """Writes the file, and says how to run it."""
    from rich.console import Console

    from algoperf_lite import api

    found = api.replay(args.lineage, args.output)
    lines = [f"{found.output} follows the winner: {len(found.line)} points, from step to step"]
    for name, value in found.held.items():
        lines.append(
            f"{name} is read by the harness, so it stays at {value:g}, where the line ends"
        )
    # Steps of the line are of that horizon, so on another it would be another schedule.
    budget = "" if found.budget == 1.0 else f" --budgets={found.budget:g}"
    lines.append(f"train it with: algoperf-lite run --submissions={found.output}{budget}")
    for line in lines:
        Console().print(line, highlight=False, soft_wrap=True, markup=False)
    return 0
