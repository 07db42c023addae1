"""`algoperf-lite plot_schedules`: learning rate against step, as a picture."""

import argparse
import os
from pathlib import Path

from algoperf_lite.cli.flag_types import at_least, schedules

HELP = "learning rate against step, as a picture"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add = parser.add_argument
    add(
        "--schedules",
        type=schedules,
        required=True,
        metavar="A,B",
        help="for example cosine,uba:phi=5 (required)",
    )
    add(
        "--output",
        type=Path,
        default=Path("schedules.svg"),
        metavar="FILE",
        help="an .svg or a .png; default: schedules.svg",
    )
    add("--num_steps", type=at_least(1), default=1000, metavar="N", help="default: 1000")


def run(args: argparse.Namespace) -> int:
    """Draws schedules, the peak being 1."""
    from algoperf_lite.schedules import text

    # Schedules come checked from the flag; the plot wants them read.
    named = [text.parse(words) for words in args.schedules]
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # an accelerator may be busy with a trial
    from algoperf_lite.schedules import plot

    print(f"schedules: {plot.draw(named, args.output, args.num_steps)}")
    return 0
