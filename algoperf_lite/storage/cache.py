"""Things worth keeping between runs: generated data, calibrations, compiled programs.

Everything in the folder can be deleted at any time. Files of arrays carry the hash of their
content, are written under another name and renamed, and are made again when they are damaged.
"""

import hashlib
import io
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

NO_CACHE = "ALGOPERF_LITE_NO_CACHE"  # set to 1 by `--no_cache`; trials inherit it


def folder() -> Path:
    """Where this user's cached files lie: $XDG_CACHE_HOME/algoperf_lite or the like."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "algoperf_lite"


def arrays(name: str, generate: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What `generate()` returns, kept as a file between processes.

    Args:
      name: names the content and the generator's version, such as "fastmri-1-train"; whoever
        changes the generator changes the name.
      generate: returns arrays of plain types (no objects) and depends on nothing but `name`.
    """
    if os.environ.get(NO_CACHE, "0") not in ("", "0"):
        return generate()
    path = folder() / "data" / f"{name}.npz"
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        print(f"cached data {path} is damaged ({error}); making it again", file=sys.stderr)
    found = generate()
    try:
        _write(path, found)
    except OSError as error:  # a full or read-only disk costs time at the next run, nothing else
        print(f"cannot keep generated data in {path} ({error}); going on", file=sys.stderr)
    return found


def _write(path: Path, content: dict[str, np.ndarray]) -> None:
    """A line with the hash of what follows, then an uncompressed npz."""
    body = io.BytesIO()
    np.savez(body, allow_pickle=False, **content)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with partial.open("wb") as file:
            file.write(hashlib.sha256(body.getbuffer()).hexdigest().encode() + b"\n")
            file.write(body.getbuffer())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, np.ndarray]:
    digest, _, body = path.read_bytes().partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError("its hash does not match")
    with np.load(io.BytesIO(body), allow_pickle=False) as content:
        return dict(content)
