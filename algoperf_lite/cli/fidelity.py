"""`algoperf-lite fidelity`: does one board predict another, and which workloads carry that?"""

import argparse
import json
import sys
from pathlib import Path

from algoperf_lite.cli.flag_types import optional

HELP = "does one board predict another?"

_BOARD = (
    "a directory of an experiment or of AlgoPerf's logs; DIR@0.5 for half the step hint, "
    "DIR@studies=0-1 for some studies; or a .csv or .json table of published scores or times"
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags. One that is not given stays out of what is parsed; `api.fidelity` has
    defaults."""
    parser.usage = "%(prog)s A B ..."
    parser.add_argument("a", metavar="A", help=_BOARD)
    parser.add_argument("b", metavar="B", help="another one, which A is to predict")
    group = parser.add_argument_group("how to compare")
    add = optional(group)
    add(
        "--match",
        action="append",
        metavar="PAIRS",
        help="submissions that have other names on B, as ours=theirs,..., or a .json or .csv file "
        "of them; may be repeated; others are matched by name",
    )
    for side in ("a", "b"):
        add(
            f"--benchmark_{side}",
            metavar="B",
            help="name or file; default: the experiment's, else algoperf_v05 for AlgoPerf's logs",
        )
    add("--allow_mixed_hardware", action="store_true", help="compare times of unlike machines")
    add("--allow_mixed_timing", action="store_true", help="compare replayed and measured times")
    shown = parser.add_argument_group("what to show")
    shown.add_argument("--json", action="store_true", help="one object instead of tables")
    shown.add_argument(
        "--plot",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="STEM",
        help="where a scatter plot goes; .svg and .png are added",
    )
    shown.add_argument(
        "--output",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="one self-contained page with tables and plot",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the comparison."""
    from algoperf_lite import api
    from scoring.views import terminal_fidelity

    options = dict(vars(args))
    as_json = options.pop("json")
    found = api.fidelity(options.pop("a"), options.pop("b"), **options)
    if as_json:
        print(json.dumps(found.fidelity.to_json(), indent=1, allow_nan=False))
    else:
        terminal_fidelity.render(found.fidelity)
    # Not among the JSON.
    if found.plots:
        print(f"scatter plot: {' '.join(map(str, found.plots))}", file=sys.stderr)
    if found.output:
        print(f"page: {found.output}", file=sys.stderr)
    return 0
