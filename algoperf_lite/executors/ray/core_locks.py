"""Locks on cores of this machine, so that jobs that know nothing of each other share none.

A core is claimed by a lock on a file, which the system drops when its holder dies.
"""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_POLL_SECONDS = 0.05


def folder() -> Path:
    """The folder of this user's locks, on this machine and not on storage that it shares."""
    return Path(tempfile.gettempdir()) / f"algoperf_lite_{os.getuid()}"


@contextlib.contextmanager
def claimed(count: int, cores: Sequence[int], locks: Path) -> Iterator[tuple[int, ...]]:
    """`count` of the `cores`, which nobody else holds while the context lasts; waits for them.

    Raises ValueError where there are fewer.
    """
    if not 1 <= count <= len(cores):
        raise ValueError(f"{count} cores were asked for, {len(cores)} are available here")
    locks.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        # Only one at a time collects cores: two that want two each would keep each other waiting.
        with contextlib.ExitStack() as turn:
            while not _lock(locks / "turn", turn):
                time.sleep(_POLL_SECONDS)
            mine: list[int] = []
            while len(mine) < count:
                left = (core for core in cores if core not in mine)
                core = next((core for core in left if _lock(locks / f"core_{core}", held)), None)
                if core is None:
                    time.sleep(_POLL_SECONDS)
                else:
                    mine.append(core)
        yield tuple(sorted(mine))


def _lock(path: Path, until: contextlib.ExitStack) -> bool:
    """Locks a file until the stack is left; False where somebody else has it.

    Never blocks, so that what cancels a wait need not be a signal.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    until.callback(os.close, descriptor)
    return True
