"""Folders of data sets: a user names one, or the root of all of them."""

from pathlib import Path


def own(folder: Path, name: str) -> Path:
    """The folder `name` below `folder` where there is one, else `folder` itself."""
    below = folder / name
    return below if below.is_dir() else folder
