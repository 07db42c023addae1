"""`algoperf-lite export`: logs in the format of another tool."""

import argparse
from pathlib import Path

from algoperf_lite.cli import protocol_flags

HELP = "logs for TensorBoard, W&B, MLflow, pandas or a paper"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.usage = "%(prog)s DIR --to=F"
    parser.add_argument(
        "directory", metavar="DIR", type=Path, help="of an experiment, or of AlgoPerf's logs"
    )
    group = parser.add_argument_group("what to write")
    group.add_argument(
        "--to",
        required=True,
        metavar="F",
        help="tensorboard, wandb, mlflow, parquet, csv or latex (required); only latex has scores",
    )
    group.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="one that is not there yet; default: exports/F",
    )
    protocol_flags.add_scoring(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the files, and says where."""
    from algoperf_lite import api

    done = api.export(**vars(args))
    trials = "1 trial" if done.num_trials == 1 else f"{done.num_trials:,} trials"
    print(f"{args.to}: {trials} in {done.output}")
    return 0
