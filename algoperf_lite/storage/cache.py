"""Things worth keeping between runs: generated data, calibrations, compiled programs.

Everything in the folder can be deleted at any time. Files of arrays carry the hash of their
content, are replaced atomically, and are made again when they are damaged.
"""

import functools
import hashlib
import io
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from algoperf_lite.storage import atomic

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
    digest, _, body = path.read_bytes().partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError("its hash does not match")
    # No pickle: a file that anybody may have put there must not run code.
    with np.load(io.BytesIO(body), allow_pickle=False) as content:
        return dict(content)
