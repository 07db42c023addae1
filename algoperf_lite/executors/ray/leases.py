"""Leases on jobs: permission to write into an output directory that several machines share.

Each attempt at a job holds a lease. A job whose machine is lost is handed out again, but a machine
that cannot be reached may still be at work, so the driver revokes the lease it held. Leases are
kept in a file beside the experiment's results, which also serves as a check: a machine that does
not see it, with this run's name in it, is not on the shared storage.

    run 5f0c...         first line; leases of another run are over
    given_up 3.0        revoked: job 3, attempt 0
"""

import contextlib
import dataclasses
import os
import time
import uuid
from pathlib import Path

from algoperf_lite.machine import heartbeat
from algoperf_lite.storage import atomic

FILE = ".attempts"
_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0  # until what one machine wrote must be seen on another
GRACE_SECONDS = 5.0  # in which the holder of a lease will have seen that it is revoked


@dataclasses.dataclass(frozen=True)
class Lease:
    """The lease of one attempt at a job, in the hands of the machine that makes the attempt.

    Attributes:
      file: where leases are kept.
      run: what the first line of the file must say.
      job, number: job and attempt at it; both count from 0.
    """

    file: Path
    run: str
    job: int
    number: int

    def is_visible(self) -> bool:
        """Whether this machine sees the file of leases; waits a few seconds for it."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self.run in _lines(self.file)[:1]:
                    return True
            time.sleep(_POLL_SECONDS / 4)
        return False

    def is_over(self) -> bool:
        """Whether this lease was revoked, or its run has ended or was taken over by another.

        A file that cannot be read, or is being written, leaves the lease as it was.
        """
        try:
            lines = _lines(self.file)
        except OSError:
            return False
        if not lines:
            return not self.file.exists()
        return lines[0] != self.run or _line(self) in lines[1:]

    def watched(self) -> contextlib.AbstractContextManager[None]:
        """Ends this process, and with it the job's, within a second of the lease being over.

        A thread does so: the process may be busy handing on what the job reports.
        """
        # An exception there would not reach the main thread.
        return heartbeat.beating(lambda: os._exit(1), _POLL_SECONDS, self.is_over)


class Leases:
    """The leases of one run, in the hands of the driver, which alone writes the file."""

    def __init__(self, directory: Path):
        self._file = directory / FILE
        self._run = f"run {uuid.uuid4().hex}"
        self._is_open = False

    def grant(self, job: int, number: int) -> Lease:
        """A lease for an attempt; the first one makes the file, and ends leases of earlier runs."""
        if not self._is_open:
            # In place, not by a rename: NFS clients may go on reading the file that it was.
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(f"{self._run}\n")
            self._is_open = True
        return Lease(self._file, self._run, job, number)

    def revoke(self, lease: Lease) -> None:
        """Ends a lease."""
        atomic.append_text(self._file, f"{_line(lease)}\n")

    def close(self) -> None:
        """Ends all leases."""
        if self._is_open:
            self._file.unlink(missing_ok=True)
            self._is_open = False


def _line(lease: Lease) -> str:
    return f"given_up {lease.job}.{lease.number}"


def _lines(path: Path) -> list[str]:
    """The complete lines of a file; none where there is no file."""
    try:
        return path.read_text().split("\n")[:-1]
    except FileNotFoundError:
        return []
