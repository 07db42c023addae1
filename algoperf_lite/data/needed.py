"""Packages that only real data need: imported where used, and named where they are missing."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def package(name: str, what: str) -> Iterator[None]:
    """A block that imports modules of the PyPI package `name`, which `what` needs.

    Raises ValueError with the command that installs it.
    """
    try:
        yield
    except ImportError as error:
        raise ValueError(
            f"{what} needs the package {name!r}, which cannot be imported ({error}); run "
            f"`pip install {name}`, or `pip install algoperf-lite[full]` for all data sets"
        ) from error
