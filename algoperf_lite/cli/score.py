"""`algoperf-lite score`: the leaderboard of an experiment."""

import argparse
import json
import sys
from pathlib import Path

from algoperf_lite.cli import protocol_flags

HELP = "the leaderboard of an experiment"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    protocol_flags.add(parser)
    group = parser.add_argument_group("what to show")
    group.add_argument("--details", action="store_true", help="speedups, ranks, budgets")
    group.add_argument(
        "--importance", action="store_true", help="which hyperparameters matter, and how surely"
    )
    group.add_argument("--json", action="store_true", help="one object instead of tables")
    group.add_argument(
        "--plot",
        type=Path,
        metavar="STEM",
        help="where a profile plot goes; .svg and .png are added",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the leaderboard."""
    from algoperf_lite import api
    from scoring.views import terminal

    # What is left of the flags are keywords of `api.score`; these are about printing alone.
    options = dict(vars(args))
    details, importance, as_json = map(options.pop, ("details", "importance", "json"))
    found = api.score(**options)
    if as_json:
        content = found.leaderboard.to_json(with_importance=importance)
        print(json.dumps(content, indent=1, allow_nan=False))
    else:
        terminal.render(found.leaderboard)
        if details:
            terminal.render_details(found.leaderboard)
        if importance:
            terminal.render_importance(found.leaderboard)
    if found.plots:
        # Not among the JSON.
        print(f"performance profile: {' '.join(map(str, found.plots))}", file=sys.stderr)
    return 0
