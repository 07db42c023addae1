"""`algoperf-lite calibrate`: the reference's speed on this machine."""

import argparse
from pathlib import Path

from algoperf_lite.cli import numerics_flags
from algoperf_lite.cli.flag_types import at_least, listed, one_of
from algoperf_lite.cli.run_flags import SCALES

HELP = "measure the reference's speed here"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add = parser.add_argument
    some = "names, paths of folders, 'quick' or 'all' (default)"
    add("--workloads", type=listed, default=["all"], metavar="A,B", help=some)
    add("--scale", type=one_of("scale", SCALES), default="lite", metavar="S")
    data = "of AlgoPerf's data sets, for --scale=full; default: $ALGOPERF_LITE_DATA"
    add("--data_dir", type=Path, metavar="DIR", help=data)
    add("--cores_per_trial", type=at_least(1), default=1, metavar="N", help="default: 1")
    add("--devices_per_trial", type=at_least(1), default=1, metavar="N", help="default: 1")
    add("--num_workers", type=at_least(1), metavar="N", help="workloads side by side")
    numerics_flags.add(add)
    add("--fresh", action="store_true", help="measure again what is known")


def run(args: argparse.Namespace) -> int:
    """Measures, or recalls, the reference's seconds per step, and prints each as it comes."""
    from rich.console import Console

    from algoperf_lite import api
    from algoperf_lite.experiment.progress import ExperimentProgress

    # Each is shown as it comes: all of them take minutes.
    with ExperimentProgress(Console()) as progress:
        api.calibrate(**vars(args), reporter=progress)
    return 0
