"""Folders of data sets: a user names one, or the root of all of them."""

import os
from pathlib import Path

from algoperf_lite.data.source import DataError

VARIABLE = "ALGOPERF_LITE_DATA"  # of the environment: the root, where no flag says it


def given(named: str | Path | None) -> str | None:
    """The absolute folder of all data sets: the one that is named, or else the variable's."""
    path = named or os.environ.get(VARIABLE)
    # Trials have working directories of their own.
    return str(Path(path).expanduser().absolute()) if path else None


def own(folder: Path, *names: str) -> Path:
    """The first of the folders `names` that is below `folder`, else `folder` itself."""
    return next((folder / name for name in names if (folder / name).is_dir()), folder)


def require(folder: Path, missing: list[str]) -> None:
    """Raises DataError where the folder is not there or lacks anything, which is in words."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}; give the one with AlgoPerf's prepared data")
    if missing:
        shown = "; ".join(missing[:3]) + (f"; and {len(missing) - 3} more" * (len(missing) > 3))
        raise DataError(f"{folder} lacks data: {shown}; copy what AlgoPerf's setup has made")
