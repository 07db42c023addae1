"""Things worth keeping between runs: generated data, calibrations, compiled programs.

Everything in the folder can be deleted at any time. Files of arrays carry the hash of their
content, are replaced atomically, and are made again when they are damaged.
"""

import contextlib
import functools
import hashlib
import io
import math
import mmap
import os
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from algoperf_lite.storage import atomic

_DIGEST_BYTES = 65  # a SHA-256 in hexadecimal and the end of its line
_HEADER_BYTES = 2**16 + 10  # of an array, at most
NO_CACHE = "ALGOPERF_LITE_NO_CACHE"  # 1: keep no generated data; trials inherit it


def folder() -> Path:
    """The folder of this user's cached files: $XDG_CACHE_HOME/algoperf_lite or the like.

    Raises RuntimeError where this user has no home directory.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "algoperf_lite"
    try:
        return Path.home() / ".cache" / "algoperf_lite"
    except RuntimeError as error:
        raise RuntimeError(f"{error} Set HOME, or XDG_CACHE_HOME to a folder.") from None


def subfolder(kind: str) -> Path | None:
    """The folder of one kind of files, made where it is missing; None where nothing can be kept
    there, which is said once in each process: it costs time and nothing else."""
    path = folder() / kind
    # The whole first, so that one message is enough where all of it cannot be written.
    return path if _is_writable(folder()) and _is_writable(path) else None


@functools.cache
def _is_writable(path: Path) -> bool:
    try:
        path.mkdir(parents=True, exist_ok=True)
        if os.access(path, os.W_OK | os.X_OK):
            return True
        why = "it is read-only"
    except OSError as error:
        why = str(error.strerror)
    print(
        f"cannot keep anything in {path} ({why}); going on without, which takes longer; set "
        "XDG_CACHE_HOME to a folder that can be written",
        file=sys.stderr,
        flush=True,
    )
    return False


def arrays(name: str, generate: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What `generate()` returns, kept as a file between processes.

    Args:
      name: names the content and the generator's version, such as "fastmri-1-train"; whoever
        changes the generator changes the name.
      generate: returns arrays of plain types (no objects) and depends on nothing but `name`.
    """
    if os.environ.get(NO_CACHE, "0") not in ("", "0"):
        return generate()
    # A folder that somebody else has filled may be read even where it cannot be written.
    path = folder() / "data" / f"{name}.npz"
    try:
        return _read(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        print(f"cached data {path} is damaged ({error}); making it again", file=sys.stderr)
    found = generate()
    if subfolder("data") is None:
        return found
    try:
        _write(path, found)
    except OSError as error:  # a full disk costs time at the next run, nothing else
        print(f"cannot keep generated data in {path} ({error}); going on", file=sys.stderr)
    return found


def _write(path: Path, content: dict[str, np.ndarray]) -> None:
    """A line with the hash of what follows, then an uncompressed npz."""
    body = io.BytesIO()
    np.savez(body, allow_pickle=False, **content)
    digest = hashlib.sha256(body.getbuffer()).hexdigest()
    atomic.write_bytes(path, digest.encode() + b"\n", body.getbuffer())


def _read(path: Path) -> dict[str, np.ndarray]:
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        # Mapped, as `np.load` takes four times as long: it copies an archive in small pieces.
        content = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        whole = stack.enter_context(memoryview(content))
        body = stack.enter_context(whole[_DIGEST_BYTES:])
        if hashlib.sha256(body).hexdigest().encode() + b"\n" != whole[:_DIGEST_BYTES]:
            raise ValueError("its hash does not match")
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
        return {info.filename.removesuffix(".npy"): _member(whole, info) for info in members}


def _member(content: memoryview, info: zipfile.ZipInfo) -> np.ndarray:
    """A copy of an array of an npz that is not compressed."""
    start = info.header_offset
    # Of the member's own header, whose last fields have these lengths (APPNOTE.TXT, 4.3.7).
    start += 30 + sum(struct.unpack("<HH", content[start + 26 : start + 30]))
    header = io.BytesIO(content[start : start + _HEADER_BYTES])
    if np.lib.format.read_magic(header) != (1, 0):
        raise ValueError(f"{info.filename} is of another version of numpy's format")
    # No pickle: a file that anybody may have put there must not run code.
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(header)
    if dtype.hasobject:
        raise ValueError(f"{info.filename} holds objects")
    count = math.prod(shape)
    values = np.frombuffer(content, dtype, count, start + header.tell()).copy()
    return values.reshape(shape, order="F" if is_fortran else "C")
