"""A population's winner as a file, as the command and Python users ask for it."""

from pathlib import Path

from algoperf_lite.experiment.results import ReplayResult
from algoperf_lite.population import replay as replay_file


def replay(lineage: str | Path, output: str | Path) -> ReplayResult:
    """Writes the hyperparameters that led to a population's winner as a native submission file.

    Args:
      lineage: the lineage.jsonl in the directory of a population that has ended.
      output: the .py file; an existing one is never replaced.

    Returns:
      The file and what is in it.

    Raises:
      ValueError: no lineage, a population that has not ended, or a file that is there already.
    """
    path = Path(output)
    if path.suffix != ".py":
        raise ValueError(f"{str(path)!r} is no submission file; give one that ends with .py")
    line, origin = replay_file.read(Path(lineage))
    content = replay_file.text(line, origin)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Exclusively: a test for the file beforehand could be overtaken.
        with path.open("x") as file:
            file.write(content)
    except FileExistsError:
        raise ValueError(f"{str(path)!r} is there already; give another --output") from None
    return ReplayResult(path, line, replay_file.held(line), origin.budget)
