"""`algoperf-lite report`: one self-contained page about an experiment."""

import argparse
from pathlib import Path

from algoperf_lite.cli import protocol_flags

HELP = "one self-contained page about an experiment"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    protocol_flags.add(parser)
    group = parser.add_argument_group("what to write")
    group.add_argument(
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="the page; default: report.html",
    )
    group.add_argument(
        "--figures", type=Path, metavar="DIR", help="folder for the figures as SVG and PDF"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the page, and the figures where asked for."""
    # `score` prints warnings and tables; a page has them in it, so its path is all there is to say.
    from algoperf_lite import api

    print(f"report: {api.report(**vars(args)).output}")
    return 0
