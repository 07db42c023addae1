"""SIGTERM, by which Slurm and others end a command: it ends as by Ctrl-C, with an exit code of its
own."""

import contextlib
import signal
import threading
from collections.abc import Iterator

INTERRUPTED = 128 + signal.SIGINT  # exit codes, as shells have them
TERMINATED = 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Whatever clears up after Ctrl-C clears up after this too."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raises Terminated in the main thread where SIGTERM comes while the context lasts.

    Only the first one counts: those that clear up are not to be disturbed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may decide what signals do
        return

    has_come = False

    def terminate(number: int, frame: object) -> None:
        nonlocal has_come
        has_come = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt:
        if has_come:  # Ray raises one of its own for whatever a handler raises
            raise Terminated from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
