"""What the checks of a family's reader find."""

from pathlib import Path
from typing import Any


def found(reader: Any, folder: Path, split: str) -> list[str]:
    """The sentences about all files of a split."""
    return [words for check in reader.checks(folder, split) for words in check.damages()]
