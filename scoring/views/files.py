"""Files that are whole or not there: written beside their place, then moved into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, whose file takes the place of `path` when the block ends well.

    Folders above `path` are made. Raises OSError where they or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, as only within one file system is a move atomic. The suffix stays last:
    # matplotlib chooses its format by it.
    partial = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
