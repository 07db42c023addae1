"""Folders of data sets: a user names one, or the root of all of them."""

from pathlib import Path


def own(folder: Path, *names: str) -> Path:
    """The first of the folders `names` that is below `folder`, else `folder` itself."""
    return next((folder / name for name in names if (folder / name).is_dir()), folder)
