"""`algoperf-lite run`: an experiment, run or continued."""

import argparse

from algoperf_lite.cli import run_flags

HELP = "run an experiment, or continue one"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the groups of flags."""
    run_flags.add(parser)


def run(args: argparse.Namespace) -> int:
    """Runs what is not finished of an experiment, and shows it."""
    from rich.console import Console

    from algoperf_lite import api
    from algoperf_lite.experiment.progress import ExperimentProgress

    # The keywords are exactly the flags that were given; all defaults are the interface's.
    console = Console()
    with ExperimentProgress(console) as progress:
        done = api.run(**vars(args), reporter=progress)
    console.print(f"logs are in {done.output_dir}", highlight=False, soft_wrap=True)
    return 0
