"""Arrays that were derived from files once and are kept: indices, tokens, packed graphs.

They lie as `.npy` files in the user's cache and are read as memory maps, so that all trials of a
machine share one copy in memory. Everything can be deleted at any time.
"""

import contextlib
import contextvars
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from algoperf_lite.data.source import DataError, Source
from algoperf_lite.storage import cache

_ABANDONED_S = 2 * 24 * 3600  # nothing takes as long to make
_DONE = "files.txt"  # names what the arrays were made from
_only_looking = contextvars.ContextVar("only_looking", default=False)


class NotKept(Exception):
    """Arrays that would have to be made, where they were only looked for.

    No DataError: the data are there, and what refuses damaged data must not take it for one.

    Attributes:
      num_bytes: about how much making them writes; 0 where that is little.
    """

    def __init__(self, kind: str, num_bytes: int):
        super().__init__(f"{kind} is not made yet")
        self.num_bytes = num_bytes


@contextlib.contextmanager
def only_looking() -> Iterator[None]:
    """A block in which nothing is made: `arrays` raises NotKept instead."""
    token = _only_looking.set(True)
    try:
        yield
    finally:
        _only_looking.reset(token)


def is_made(source: Source) -> bool:
    """Whether all that is derived from a source's files and kept is there already."""
    try:
        with only_looking():
            for _ in source.index():
                pass
    except NotKept:
        return False
    return True


def arrays(
    kind: str, files: Sequence[Path], make: Callable[[Path], None], num_bytes: int = 0
) -> dict[str, np.ndarray]:
    """What `make` wrote, read-only; made where it is missing, or where a file has changed.

    Args:
      kind: names the content and the version of what makes it, such as "ogbg-1-train".
      files: all that the arrays depend on; known again by name, size and time of change.
      make: writes `<name>.npy` files into the folder it is given.
      num_bytes: about how much it will write, to be refused before it begins.
    Returns the arrays by name.
    Raises DataError where a file is missing, or there is no room to keep the arrays; NotKept where
    they are not there and only looked for.
    """
    what = _stamp(files)
    key = hashlib.sha256(f"{kind}\n{what}".encode()).hexdigest()[:16]
    folder = disk() / f"{kind}-{key}"
    if (folder / _DONE).is_file():
        try:
            return _load(folder)
        except (ValueError, OSError, EOFError) as error:
            print(f"kept {folder} is damaged ({error}); making it again", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)
    if _only_looking.get():
        raise NotKept(kind, num_bytes)
    _fill(folder, what, make, num_bytes)
    return _load(folder)


def _load(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}


def _clear_away(root: Path) -> None:
    """Removes what processes that were killed had begun: it may be many gigabytes."""
    for begun in root.glob(".*.*"):
        # Another process may have been quicker.
        with contextlib.suppress(OSError):
            if time.time() - begun.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(begun, ignore_errors=True)


def save_parts(path: Path, parts: Iterable[np.ndarray], dtype: type) -> None:
    """Writes an `.npy` file of parts (n_i, ...), one after the other, with one in memory at a time.

    All but the first axis are the same; there is at least one part.
    """
    shape: tuple[int, ...] = ()
    with path.open("wb") as file:
        for part in parts:
            if not shape:
                shape = (0, *part.shape[1:])
                _write_header(file, shape, dtype)
            shape = (shape[0] + len(part), *shape[1:])
            file.write(np.ascontiguousarray(part, dtype))
        # numpy leaves room in the header for a first axis of any length.
        file.seek(0)
        _write_header(file, shape, dtype)


def _write_header(file: BinaryIO, shape: tuple[int, ...], dtype: type) -> None:
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def disk() -> Path:
    """The folder that all arrays are kept in. Raises DataError where it cannot be written."""
    root = cache.subfolder("full")
    if root is None:
        raise DataError(
            f"indices of the data set cannot be kept in {cache.folder()}; set XDG_CACHE_HOME to "
            "a folder that can be written"
        )
    return root


def _stamp(files: Sequence[Path]) -> str:
    """A line for each file. Not its folder: data that moved are the same data."""
    lines = []
    for path in files:
        try:
            found = path.stat()
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
        lines.append(f"{path.parent.name}/{path.name} {found.st_size} {found.st_mtime_ns}\n")
    return "".join(lines)


def _fill(folder: Path, what: str, make: Callable[[Path], None], num_bytes: int) -> None:
    free = shutil.disk_usage(folder.parent).free
    if num_bytes > free:
        raise DataError(
            f"{folder} would take {num_bytes / 1e9:.1f} GB and its disk has {free / 1e9:.1f} GB "
            "left; free some, or set XDG_CACHE_HOME to a folder on a larger disk"
        )
    _clear_away(folder.parent)
    # Beside it and renamed when whole: a process that is killed leaves nothing that looks done.
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        make(partial)
        (partial / _DONE).write_text(what)
        partial.chmod(0o755)  # the cache may be shared
        os.rename(partial, folder)
    except OSError as error:
        if not (folder / _DONE).is_file():  # else another process was quicker, with the same
            raise DataError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
