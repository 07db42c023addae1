"""What ends a command from outside: SIGTERM, by which Slurm and others do it as Ctrl-C does, and a
reader of its output that has gone. Each has an exit code of its own."""

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator

INTERRUPTED = 128 + signal.SIGINT  # exit codes, as shells have them
TERMINATED = 128 + signal.SIGTERM
UNREAD = 128 + signal.SIGPIPE


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


def nobody_reads() -> int:
    """The exit code after the BrokenPipeError that is being handled, where it is of our output:
    who reads it, as `head`, has seen enough. One of another pipe is raised again.

    What is not written yet is dropped, so that nobody complains of it at the end.
    """
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)  # that it is broken is always told
    if not output.poll(0):
        raise
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNREAD
