"""An experiment's logs in another tool's format, as the command and Python users ask for them."""

from pathlib import Path
from typing import Any

from algoperf_lite.experiment.boards import score
from algoperf_lite.experiment.results import ExportResult
from scoring.exports import formats

# Relative, as the directory of an experiment is.
FOLDER = Path("exports")


def export(
    directory: str | Path, to: str, output: str | Path | None = None, **options: Any
) -> ExportResult:
    """Writes logs in another tool's format, of trials that have ended and of those that run.

    Args:
      directory: of an experiment, or of logs in AlgoPerf's layout.
      to: csv, latex, mlflow, parquet, tensorboard or wandb.
      output: a folder that is not there yet; None for `FOLDER`/<to>.
      **options: those of `score`, where the format shows scores, as latex does.

    Returns:
      Where the files are, and of how many trials.

    Raises:
      ValueError: an unknown format, a package that is not installed, an output that exists, no
        trials, or as `score` does. Nothing is written then.
    """
    path = FOLDER / to if output is None else Path(output)
    found = formats.checked(to, path)
    if options and not found.is_scored:
        raise ValueError(
            f"{', '.join(sorted(options))}: got an option of scores, of which --to={to} shows "
            "none; leave it out"
        )
    board = score(directory, **options).leaderboard if found.is_scored else None
    return ExportResult(path, formats.write(Path(directory), to, path, board))
