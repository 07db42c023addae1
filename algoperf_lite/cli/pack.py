"""`algoperf-lite pack`: an experiment as one file for others."""

import argparse
from pathlib import Path

HELP = "an experiment as one file for others"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("directory", metavar="DIR", type=Path, help="of an experiment")
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="the .zip file to write; none is ever replaced (required)",
    )


def run(args: argparse.Namespace) -> int:
    """Writes the pack, and says what is in it."""
    from algoperf_lite import api

    found = api.pack(args.directory, args.output)
    print(
        f"pack: {found.output} has {found.num_trials} trials in {found.num_files} files, "
        f"{found.num_bytes / 1000:.0f} kB"
    )
    return 0
