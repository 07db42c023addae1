"""`algoperf-lite run`: an experiment, run or continued."""

import argparse
import contextlib

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
    options = dict(vars(args))
    console, is_watched = Console(), options.pop("watch", False)
    with contextlib.ExitStack() as until_the_end:
        if is_watched:
            from scoring.watch import server  # reports and pages need jinja2

            directory = options.get("output_dir", api.OUTPUT_DIR)
            address = until_the_end.enter_context(server.serving(directory))
            console.print(f"watch: {address}", highlight=False, soft_wrap=True)
        progress = until_the_end.enter_context(ExperimentProgress(console))
        done = api.run(**options, reporter=progress)
    console.print(f"logs are in {done.output_dir}", highlight=False, soft_wrap=True)
    return 0
