"""Files that are replaced atomically or appended to by whole lines."""

import errno
import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

_REFUSALS = (
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)


def write_json(path: Path, content: Any) -> None:
    """Replaces `path` atomically. NaN and infinities become null: JSON has no word for them."""
    write_text(path, json.dumps(plain(content), indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replaces `path` atomically."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, *parts: bytes | memoryview) -> None:
    """Replaces `path` atomically by the parts, one after the other; makes its folder.

    Raises OSError where that fails; what was there before then still is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside it, as a rename is atomic within one file system only; several processes may try.
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with partial.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            # A power cut after the rename must not leave an empty file of that name.
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)  # where the disk is full, it is in the way


def append_text(path: Path, text: str) -> None:
    """Appends whole lines in one write, so that a reader sees at worst a torn last line.

    Raises OSError where that fails; the file then is as it was.
    """
    data = text.encode()
    # Without a buffer of Python's, which might write a line in two.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        try:
            while data:  # a disk that is nearly full takes a part, and fails at the next
                data = data[os.write(descriptor, data) :]
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk, or this user's share of it, is full; a library's error
    does so by its text."""
    # Orbax and XLA pass on the system's words without its number.
    numbers = (errno.ENOSPC, errno.EDQUOT)
    is_own = isinstance(error, OSError) and error.errno in numbers
    return is_own or any(os.strerror(number) in str(error) for number in numbers)


def is_refused(error: BaseException) -> bool:
    """Whether an error says that a path is not to be used: nothing or something else is in its
    place, or this user may not."""
    return isinstance(error, OSError) and error.errno in _REFUSALS


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Mark(NamedTuple):
    """The length of a file of lines at some moment, and the hash of its content."""

    num_lines: int
    sha256: str


def mark(path: Path) -> Mark:
    """The mark of a file as it is now; its lines are on the disk then."""
    sync(path)
    content = path.read_bytes()
    return Mark(content.count(b"\n"), hashlib.sha256(content).hexdigest())


def still_holds(path: Path, then: Mark) -> bool:
    """Whether a file still begins with the lines that it had."""
    try:
        return hashlib.sha256(_first_lines(path, then.num_lines)).hexdigest() == then.sha256
    except OSError:
        return False


def cut_back(path: Path, then: Mark) -> None:
    """Cuts off, atomically, all lines after those that a file had."""
    kept = _first_lines(path, then.num_lines)
    if kept != path.read_bytes():
        write_text(path, kept.decode())


def _first_lines(path: Path, num_lines: int) -> bytes:
    lines = path.read_bytes().split(b"\n")
    return b"".join(line + b"\n" for line in lines[:num_lines][: len(lines) - 1])


def plain(content: Any) -> Any:
    """The content as JSON may have it: floats that are not finite are None, keys are strings."""
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
