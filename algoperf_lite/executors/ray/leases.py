"""Who may write into an output directory that several machines share: a register of attempts.

A job whose machine is lost is handed out again, but a machine that cannot be reached may still be
at work. The register, a file beside the experiment's results, says which attempts are given up, and
whoever watches over an attempt ends it when the file says so. That the file is there at all, with
this run's name in it, says that a machine sees the same storage.

    run 5f0c...         in the first line; another run's attempts are over
    given_up 3.0        job 3, attempt 0
"""

import contextlib
import dataclasses
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from algoperf_lite.storage import atomic

FILE = ".attempts"
_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0  # until what one machine wrote must be seen on another
GRACE_SECONDS = 5.0  # in which an attempt that was given up will have seen it


@dataclasses.dataclass(frozen=True)
class Lease:
    """One attempt at a job, as the machine knows it that makes it.

    Attributes:
      register: the file.
      run: what the first line must say.
      job, number: which; both count from 0.
    """

    register: Path
    run: str
    job: int
    number: int

    def is_registered(self) -> bool:
        """Whether this machine sees the register; waits a few seconds for it."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self.run in _lines(self.register)[:1]:
                    return True
            time.sleep(_POLL_SECONDS / 4)
        return False

    def is_over(self) -> bool:
        """Whether this attempt was given up, or its run has ended or been taken over by another.

        A register that cannot be read, or is being written, says nothing.
        """
        try:
            lines = _lines(self.register)
        except OSError:
            return False
        if not lines:
            return not self.register.exists()
        return lines[0] != self.run or _line(self) in lines[1:]

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Ends this process, and with it the job's, within a second of the attempt being over.

        That is a thread's work: the process may be busy handing on what the job says.
        """
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_POLL_SECONDS):
                if self.is_over():
                    os._exit(1)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


class Register:
    """The file as the one process knows it that hands out jobs."""

    def __init__(self, directory: Path):
        self._file = directory / FILE
        self._run = f"run {uuid.uuid4().hex}"
        self._is_open = False

    def attempt(self, job: int, number: int) -> Lease:
        """A further attempt; the first one makes the file, and ends those of earlier runs."""
        if not self._is_open:
            # Written in place: a name may be known to other machines as that of the file it was.
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(f"{self._run}\n")
            self._is_open = True
        return Lease(self._file, self._run, job, number)

    def revoke(self, attempt: Lease) -> None:
        """Says that an attempt may not go on."""
        atomic.append_text(self._file, f"{_line(attempt)}\n")

    def close(self) -> None:
        """Says so of all of them."""
        if self._is_open:
            self._file.unlink(missing_ok=True)
            self._is_open = False


def _line(attempt: Lease) -> str:
    return f"given_up {attempt.job}.{attempt.number}"


def _lines(path: Path) -> list[str]:
    """The complete lines of a file; none where there is no file."""
    try:
        return path.read_text().split("\n")[:-1]
    except FileNotFoundError:
        return []
