"""`algoperf-lite quickstart`: the tour, three submissions on three workloads."""

import argparse
import time
from pathlib import Path

from algoperf_lite.cli import report, score
from algoperf_lite.cli import run as run_command

HELP = "three workloads x three submissions: run, score, plot"
SUBMISSIONS = ("nadamw", "nesterov", "adamw_wsd")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument(
        "--output_dir",
        type=Path,
        default=Path("runs") / "quickstart",
        metavar="DIR",
        help="default: runs/quickstart",
    )


def run(args: argparse.Namespace) -> int:
    """Runs, scores and reports, and prints the commands that do so: that is what one learns."""
    began, folder = time.monotonic(), args.output_dir
    run_words = (
        f"--submissions={','.join(SUBMISSIONS)}",
        "--workloads=quick",
        "--tuning_ruleset=self",
        "--num_studies=1",
        f"--output_dir={folder}",
    )
    # A benchmark's other workloads would count as not reached.
    score_words = (str(folder), "--only_present", f"--plot={folder / 'profile'}")
    report_words = (str(folder), "--only_present", f"--output={folder / 'report.html'}")
    steps = ((run_command, run_words), (score, score_words), (report, report_words))
    for module, words in steps:
        name = module.__name__.rpartition(".")[2]
        print(f"algoperf-lite {name} {' '.join(words)}", flush=True)
        # Through the flags, so that what is printed is what is done.
        parser = argparse.ArgumentParser()
        module.add_flags(parser)
        code = module.run(parser.parse_args(words))
        if code:
            return code
        print()
    print(f"quickstart took {time.monotonic() - began:.0f} s")
    return 0
