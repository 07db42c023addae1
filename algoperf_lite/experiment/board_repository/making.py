"""A new board repository, made from the files in `skeleton`."""

import datetime
import os
from importlib import metadata
from pathlib import Path

from scoring import benchmark as benchmarks
from scoring.board import entries, settings

SKELETON = Path(__file__).parent / "skeleton"
# {file of a board: file of the skeleton}. Names that begin with a dot do not travel in a wheel.
_FILES = {
    settings.FILE: "board.toml",
    "README.md": "README.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "requirements.txt": "requirements.txt",
    ".gitignore": "gitignore",
    f"{entries.FOLDER}/.gitkeep": "gitkeep",
    ".github/pull_request_template.md": "pull_request_template.md",
    ".github/workflows/check.yml": "workflows/check.yml",
    ".github/workflows/publish.yml": "workflows/publish.yml",
}


def board_init(
    folder: str | Path, benchmark: str = "lite", began: datetime.date | None = None
) -> Path:
    """Makes a board repository.

    Args:
      folder: one that is not there, or is empty but for a `.git`.
      benchmark: name of the one that it takes; its newest version is written down.
      began: the date that stands in `board.toml`; today if None.

    Returns:
      The folder.

    Raises:
      ValueError: an unknown benchmark, or a folder that holds anything.
    """
    name = benchmarks.nearest(benchmarks.resolved(benchmark), benchmarks.names(), "benchmark")
    root = Path(folder)
    there = sorted(os.listdir(root)) if root.is_dir() else [root.name] * os.path.lexists(root)
    if set(there) - {".git"}:
        raise ValueError(
            f"{str(root)!r} holds {there[0]!r} already; give a folder that is new or empty"
        )
    values = {
        "BENCHMARK": name,
        "BEGAN": (began or datetime.date.today()).isoformat(),
        "VERSION": metadata.version("algoperf-lite"),
    }
    # No language of templates: the workflows are full of braces themselves.
    for path, source in _FILES.items():
        text = (SKELETON / source).read_text(encoding="utf-8")
        for word, value in values.items():
            text = text.replace(f"@{word}@", value)
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return root
