"""Child processes that prepare side by side and measure alone, one after another. Loads no JAX.

Compilation takes most of the time and any number of cores; a measurement wants the device for
itself. A child that crashes, hangs or runs out of memory costs what it would have found, no more.
"""

import contextlib
import dataclasses
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from studies.accelerator import findings

# Autotuning tries kernels on arrays of the real size, and each process keeps what it had of the
# device. Fifteen full programs at a time ran out of the 139 GiB of an H200.
_LARGE_SLOTS = 4
_SETTLE_SECONDS = 0.5  # until the kernels in flight of children that were stopped have ended


@dataclasses.dataclass(frozen=True)
class Job:
    """An item of a section.

    Attributes:
      compile_only: the process ends when all is compiled, and with it what autotuning took of the
        device's memory; then the same job without it follows, which finds the programs in JAX's
        cache.
    """

    section: str
    item: str
    compile_only: bool = False

    def __str__(self) -> str:
        return f"{self.section} {self.item}"


class Child:
    """A process of a job, and how far it has come."""

    def __init__(self, job: Job, process: subprocess.Popen):
        self.job, self.process = job, process
        self.is_ready = self.is_ended = self.is_cut_off = False

    @property
    def is_preparing(self) -> bool:
        return not (self.is_ready or self.is_ended)

    def go(self) -> None:
        """Lets it measure."""
        with contextlib.suppress(BrokenPipeError):  # it died: its end will be heard
            self.process.stdin.write(b"go\n")
            self.process.stdin.flush()

    def cut_off(self) -> None:
        """Ends it; its end will be heard."""
        self.is_cut_off = True
        self.send(signal.SIGKILL)

    def send(self, number: int) -> None:
        """A signal to it and to what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class Children:
    """The children of a study, and what they found: `found` grows by {"section", "item", ...}."""

    def __init__(
        self,
        command: Callable[[Job], list[str]],
        environment: Callable[[str], Mapping[str, str]],
        log: Path,
        slots: int,
        save: Callable[[], None],
    ):
        """`command` is that of a job's process and `environment` gives its variables by section;
        `log` takes what else they print; `slots` prepare at a time; `save` is called after each
        finding."""
        self.found: list[dict[str, Any]] = []
        self._command, self._environment = command, environment
        self._log, self._slots, self._save = log, slots, save
        self._children: list[Child] = []
        self._heard: queue.Queue[tuple[Child, dict[str, Any] | None]] = queue.Queue()

    def prepare(self, jobs: list[Job], until: float) -> None:
        """Starts jobs in order, as slots are free, until all are ready or it is `until`
        (`time.monotonic`). Takes those that it starts out of `jobs`."""
        while time.monotonic() < until:
            busy = [child.job for child in self._children if child.is_preparing]
            job = self._next(jobs, busy)
            if job is not None:
                jobs.remove(job)
                self._start(job)
            elif busy:
                self._hear(min(1.0, until - time.monotonic()), jobs)
            else:
                return

    def measure(self, turn: Callable[[Job], Any], seconds: float, until: float) -> None:
        """Lets each child that is ready measure for at most `seconds`, while all else stands still.

        They take turns by `turn` of their jobs, smallest first; nothing is begun after `until`.
        """
        ready = [child for child in self._children if child.is_ready and not child.is_ended]
        with self.paused():
            for child in sorted(ready, key=lambda child: turn(child.job)):
                if time.monotonic() < until:
                    child.go()
                    self._wait(child, min(time.monotonic() + seconds, until))

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """While it lasts, children that prepare stand still, and the device is for others."""
        preparing = [child for child in self._children if child.is_preparing]
        for child in preparing:
            child.send(signal.SIGSTOP)
        time.sleep(_SETTLE_SECONDS)
        try:
            yield
        finally:
            for child in preparing:
                child.send(signal.SIGCONT)

    def close(self) -> list[Job]:
        """Ends all; returns the jobs that it cut off."""
        left = [child for child in self._children if not child.is_ended]
        for child in left:
            child.cut_off()
        while not all(child.is_ended for child in left):
            self._hear(1.0)
        return [child.job for child in left]

    def _next(self, jobs: Sequence[Job], busy: Sequence[Job]) -> Job | None:
        """The first job for which there is a slot beside the `busy` ones."""
        if len(busy) >= self._slots:
            return None
        is_full = sum(job.compile_only for job in busy) >= _LARGE_SLOTS
        return next((job for job in jobs if not (job.compile_only and is_full)), None)

    def _start(self, job: Job) -> None:
        with self._log.open("ab") as log:
            log.write(f"--- {job}\n".encode())
            log.flush()
            process = subprocess.Popen(
                self._command(job),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment(job.section),
                start_new_session=True,
            )
        child = Child(job, process)
        self._children.append(child)
        threading.Thread(target=self._listen, args=(child,), daemon=True).start()

    def _listen(self, child: Child) -> None:
        with child.process.stdout as lines:
            for said in map(findings.heard, lines):
                if said is not None:
                    self._heard.put((child, said))
        child.process.wait()
        self._heard.put((child, None))

    def _hear(self, seconds: float, jobs: list[Job] | None = None) -> None:
        """Takes in the next thing that a child says, if it comes in time."""
        try:
            child, said = self._heard.get(timeout=max(0.01, seconds))
        except queue.Empty:
            return
        if said is None:
            self._ended(child, [] if jobs is None else jobs)
        elif "ready" in said:
            child.is_ready = True
        else:
            self._keep(child.job, **said["found"])

    def _ended(self, child: Child, jobs: list[Job]) -> None:
        child.is_ended = True
        child.process.stdin.close()
        code = child.process.returncode
        # After an exception it has said so itself.
        if code < 0 and not child.is_cut_off:
            self._keep(child.job, error=f"killed by signal {-code}")
        if child.job.compile_only:
            then = dataclasses.replace(child.job, compile_only=False)
            # Where compilation failed it is tried once more, when others need less memory.
            jobs.insert(0 if code == 0 else len(jobs), then)

    def _keep(self, job: Job, **content: Any) -> None:
        self.found.append({"section": job.section, "item": job.item, **content})
        self._save()

    def _wait(self, child: Child, until: float) -> None:
        while not child.is_ended and time.monotonic() < until:
            self._hear(until - time.monotonic())
        if not child.is_ended:
            child.cut_off()
            self._keep(child.job, error="took too long, so it was ended")
            while not child.is_ended:
                self._hear(1.0)


def named(jobs: Sequence[Job]) -> list[str]:
    """The jobs in words, each once."""
    return list(dict.fromkeys(map(str, jobs)))
