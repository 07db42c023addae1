"""The formats of an export by their names, and the writing of one: whole, or not at all."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scoring.benchmark import nearest
from scoring.exports import (
    csv_tables,
    latex_tables,
    mlflow_runs,
    parquet_tables,
    tensorboard_events,
    wandb_runs,
)
from scoring.exports.trials import Export, read_trials
from scoring.leaderboard import Leaderboard
from scoring.views.text import printable


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
      write: makes the files in a folder that is there and empty.
      package: to import, for which there is an extra of the format's name; None for none.
      is_scored: whether it shows a leaderboard beside the logs.
    """

    name: str
    write: Callable[[Export, Path], None]
    package: str | None = None
    is_scored: bool = False


FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format("csv", csv_tables.write),
        Format("latex", latex_tables.write, is_scored=True),
        Format("mlflow", mlflow_runs.write, "mlflow"),
        Format("parquet", parquet_tables.write, "pyarrow"),
        Format("tensorboard", tensorboard_events.write, "tensorboard"),
        Format("wandb", wandb_runs.write, "wandb"),
    )
}


def checked(to: str, output: Path) -> Format:
    """The format of that name.

    Raises ValueError for an unknown one, for one whose package is missing, and for an output that
    exists.
    """
    found = FORMATS[nearest(to, FORMATS, "format")]
    if found.package is not None and not is_installed(found.package):
        raise ValueError(
            f"--to={to} needs {found.package}, which is not installed; "
            f"pip install 'algoperf-lite[{to}]'"
        )
    if os.path.lexists(output):
        raise ValueError(f"output {str(output)!r} exists already; remove it or give another one")
    return found


def write(directory: Path, to: str, output: Path, board: Leaderboard | None = None) -> int:
    """Exports all trials under a directory of logs; returns how many there were.

    Args:
      output: a folder that is not there yet; folders above it are made.
      board: of the directory, for a format that shows scores.
    Raises ValueError as `checked` does and where there is no trial; nothing is written then.
    """
    found = checked(to, output)
    trials = read_trials(directory)
    whole, name = output.absolute(), printable(directory.absolute().name)
    # Beside its place, since only within one file system is a move atomic.
    partial = whole.with_name(f".{whole.name}.{os.getpid()}.tmp")
    try:
        partial.mkdir(parents=True)
        found.write(Export(name or "logs", whole, trials, board), partial)
        partial.rename(whole)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return len(trials)


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    spec = importlib.util.find_spec(package)
    # Any folder of that name in the working directory can be imported, but has no file of its own:
    # W&B makes a folder called wandb.
    return spec is not None and spec.origin is not None
