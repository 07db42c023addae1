"""`algoperf-lite merge`: several experiments and packs as one directory."""

import argparse
from pathlib import Path

HELP = "several experiments and packs as one directory"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.usage = "%(prog)s A B ..."
    parser.add_argument(
        "given", metavar="A", nargs="+", type=Path, help="directory of an experiment, or a pack"
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="the directory to make; none is ever replaced (required)",
    )


def run(args: argparse.Namespace) -> int:
    """Makes the directory, and says what became of names and copies."""
    from algoperf_lite import api

    found = api.merge(args.given, args.output)
    for source, old, new in found.renamed:
        print(f"{old!r} of {source} is called {new!r} here")
    if found.num_duplicates:
        print(f"{found.num_duplicates} trials were there twice and are taken once")
    print(f"merged: {found.num_trials} trials in {' '.join(map(str, found.directories))}")
    return 0
