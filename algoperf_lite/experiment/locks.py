"""Locks on an output directory: the system drops them when their owner dies, however it dies."""

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from algoperf_lite.experiment.shard import Shard

# All begin alike, so that a folder with nothing but locks is nobody's yet.
_DIRECTORY = ".lock"  # of a run of all trials alone; shards share it
_PART = ".lock_{}_of_{}"
CALIBRATION = ".lock_calibration"  # of the shard that calibrates
FILE = ".lock_file"  # of whoever is changing experiment.json at this moment
_POLL_SECONDS = 0.2


def hold(directory: Path, shard: Shard, until: contextlib.ExitStack) -> None:
    """Holds the part of a directory that is a shard's until the stack is left.

    Raises ValueError, one sentence, where another run holds it, or a part of it.
    """
    kind = fcntl.LOCK_EX if shard.is_whole else fcntl.LOCK_SH
    is_held = _lock(directory / _DIRECTORY, kind, until)
    own = directory / _PART.format(shard.index, shard.count)
    if is_held and not shard.is_whole:
        is_held = _lock(own, fcntl.LOCK_EX, until) and not _are_others_held(directory, shard)
    if not is_held:
        what = "" if shard.is_whole else f"'s part {shard.index} of {shard.count}"
        raise ValueError(
            f"output directory {str(directory)!r}{what} is in use by another run; "
            "wait for it or choose another --output_dir"
        )


def wait(
    path: Path, until: contextlib.ExitStack, on_wait: Callable[[], None] = lambda: None
) -> None:
    """Holds a lock until the stack is left; waits for it, after it has called `on_wait` once."""
    is_first = True
    # Polled, so that Ctrl-C ends the wait on any file system.
    while not _lock(path, fcntl.LOCK_EX, until):
        if is_first:
            on_wait()
        is_first = False
        time.sleep(_POLL_SECONDS)


def is_one(path: Path) -> bool:
    """Whether a file is a lock."""
    return path.name.startswith(_DIRECTORY)


def files(directory: Path) -> Iterator[Path]:
    """The locks in a directory, held or not."""
    return filter(is_one, directory.iterdir())


def _are_others_held(directory: Path, shard: Shard) -> bool:
    """Whether a part of another division, which would have trials in common, is being run."""
    every, alike = (set(directory.glob(_PART.format("*", count))) for count in ("*", shard.count))
    # Whoever looks holds its own lock already, so of two that start together one sees the other.
    for path in every - alike:
        with contextlib.ExitStack() as look:
            if not _lock(path, fcntl.LOCK_EX, look):
                return True
    return False


def _lock(path: Path, kind: int, until: contextlib.ExitStack) -> bool:
    """Locks a file until the stack is left; False where somebody else has it.

    Raises OSError where the file system has no locks.
    """
    file = path.open("w")
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    except OSError:
        file.close()
        raise
    until.callback(file.close)
    return True
