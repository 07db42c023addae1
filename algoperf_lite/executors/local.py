"""Where jobs run: one fresh process each on this machine, pinned, watched, and never outlived.

An `Executor` runs jobs and says how each ended; `Local` is the one for this machine.

A job names a module of ours with a function `work(payload, report) -> result`; payload, progress
and result travel as JSON through pipes, so that whatever a job prints cannot disturb them.
"""

import contextlib
import dataclasses
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from algoperf_lite.executors.job import Event, Job, Outcome, Tell
from algoperf_lite.machine import environment, memory, out_of_memory

_POLL_SECONDS = 0.1


_EXIT_SECONDS = 10.0  # for a process that has its result to go away


@dataclasses.dataclass(frozen=True)
class Local:
    """Runs jobs on this machine, one per slot; see `slots`."""

    worker_slots: Sequence[tuple[int, ...]]

    @property
    def num_slots(self) -> int:
        return len(self.worker_slots)

    def run(
        self, jobs: Iterable[Job], on_event: Tell = lambda job, event: None
    ) -> Iterator[tuple[Job, Outcome]]:
        """Runs jobs in order, one per slot at a time, and yields each as it ends.

        Closing the iterator, or an exception such as KeyboardInterrupt, kills what is running.
        """
        with contextlib.closing(self.stream(jobs)) as stream:
            for job, said in stream:
                if isinstance(said, Outcome):
                    yield job, said
                else:
                    on_event(job, said)

    def stream(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Event | Outcome]]:
        """`run`, with what jobs report as items between the outcomes."""
        waiting, free, running = iter(jobs), list(self.worker_slots), []
        exhausted = False
        with selectors.DefaultSelector() as selector:
            try:
                while not (exhausted and not running):
                    while free and not exhausted:
                        job = next(waiting, None)
                        if job is None:
                            exhausted = True
                        else:
                            running.append(_Process(job, free.pop(0)))
                            selector.register(running[-1].events, selectors.EVENT_READ, running[-1])
                            yield job, {"event": "start"}
                    for key, _ in selector.select(_POLL_SECONDS) if running else ():
                        for event in key.data.read():
                            yield key.data.job, event
                    for process in [p for p in running if p.outcome() is not None]:
                        selector.unregister(process.events)
                        running.remove(process)
                        process.close()
                        free.append(process.cores)
                        yield process.job, process.outcome()
            finally:
                for process in running:
                    process.kill()
                    process.close()


def local(cores_per_job: int, num_workers: int | None) -> Local:
    """This machine, see `slots`."""
    return Local(slots(cores_per_job, num_workers))


def slots(cores_per_job: int, num_workers: int | None) -> list[tuple[int, ...]]:
    """Which cores each worker gets; an empty tuple is "all of them", where an accelerator works.

    Raises ValueError where fewer cores, or less memory, are to be had than asked for.
    """
    if environment.has_accelerator():
        return [()] * memory.workers_that_fit(num_workers or 1, 1)
    cores = environment.available_cores()
    if not 1 <= cores_per_job <= len(cores):
        raise ValueError(
            f"--cores_per_trial={cores_per_job} does not fit the {len(cores)} cores available; "
            f"choose 1 to {len(cores)}"
        )
    most = len(cores) // cores_per_job
    if num_workers and num_workers > most:
        raise ValueError(
            f"--num_workers={num_workers} with {cores_per_job} cores each needs "
            f"{num_workers * cores_per_job} cores, {len(cores)} are available; "
            f"choose at most {most} workers"
        )
    count = memory.workers_that_fit(num_workers, most)
    return [tuple(cores[i * cores_per_job : (i + 1) * cores_per_job]) for i in range(count)]


class _Process:
    """A running job as its parent sees it."""

    def __init__(self, job: Job, cores: tuple[int, ...]):
        self.job, self.cores = job, cores
        self._began = self._heard = time.monotonic()
        self._closed: float | None = None
        self._result: Outcome | None = None
        self._outcome: Outcome | None = None
        self._buffer = b""
        self.events, writer = os.pipe()
        os.set_blocking(self.events, False)
        if job.log:
            job.log.parent.mkdir(parents=True, exist_ok=True)
        self._said_before = job.log.stat().st_size if job.log and job.log.exists() else 0
        self._kills_before = out_of_memory.num_kills()
        output = job.log.open("ab") if job.log else open(os.devnull, "wb")  # noqa: SIM115
        payload = {
            "payload": dict(job.payload),
            "cores": cores,
            "started": self._began,
            "memory_limit": job.memory_limit,
        }
        with output:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "algoperf_lite.executors.child", job.module, str(writer)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(writer,),
                env=environment.environment(len(cores) or os.cpu_count() or 1, job.cache),
                start_new_session=True,  # a group of its own: killed with all it started
            )
        os.close(writer)
        with contextlib.suppress(BrokenPipeError), self._popen.stdin as stdin:
            stdin.write(json.dumps(payload).encode())

    def read(self) -> list[Event]:
        """Takes in what the job has reported; returns what of it is for others to know."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.events, 1 << 16):
                self._buffer += piece
        *lines, self._buffer = self._buffer.split(b"\n")
        events = []
        for line in lines:
            self._heard = time.monotonic()
            event = json.loads(line)
            if event["event"] == "closed":
                self._closed = self._heard
            elif event["event"] == "result":
                end = self._closed or self._heard
                self._result = Outcome(event["result"], end - self._began)
            else:
                events.append(event)
        return events

    def outcome(self) -> Outcome | None:
        """The outcome once the process is gone; kills it where it broke a limit. Never blocks."""
        if self._outcome is not None:
            return self._outcome
        now = time.monotonic()
        limit = self.job.time_limit
        if self._popen.poll() is not None:
            self.read()  # what it said last
            self._outcome = self._result or self._death(now)
        elif self._result is not None:
            if now - self._heard > _EXIT_SECONDS:
                self._outcome = self._result  # it has said all it had to say and hangs
        elif now - self._heard > self.job.silence_limit:
            self._time_out(now, f"gave no sign of life for {self.job.silence_limit:.0f} s")
        elif limit is not None and now - self._began > limit:
            self._time_out(now, f"was still running after {limit:.0f} s")
        return self._outcome

    def kill(self) -> None:
        """Ends the job and everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends the process, if it has not ended, and whatever it left running."""
        self.kill()
        self._popen.wait()
        os.close(self.events)

    def _time_out(self, now: float, what: str) -> None:
        self.kill()
        # Without room for a thread, native code may wait for it for ever.
        why = self._said_want_of_memory()
        status = "timed_out" if why is None else "out_of_memory"
        what = f"the process {what}" + ("" if why is None else f" ({why})")
        self._outcome = Outcome(None, now - self._began, status, what)

    def _death(self, now: float) -> Outcome:
        code = self._popen.returncode
        if code >= 0:
            what = f"the process exited with code {code} before it had a result"
        else:
            what = f"the process was killed by {signal.Signals(-code).name}"
        why = self._want_of_memory(code)
        if why is not None:
            return Outcome(None, now - self._began, "out_of_memory", f"{what} ({why})")
        if code == -signal.SIGKILL:
            what += " (often the kernel, out of memory)"
        return Outcome(None, now - self._began, "crashed", what)

    def _want_of_memory(self, code: int) -> str | None:
        """How it shows that the process died for want of memory; None where it does not."""
        kills = out_of_memory.num_kills()
        if code == -signal.SIGKILL and kills is not None and kills > (self._kills_before or 0):
            return "by the kernel, out of memory"
        # 1 is the code of an exception; one without a limit speaks of memory for other reasons.
        return self._said_want_of_memory() if code < 0 or code == 1 else None

    def _said_want_of_memory(self) -> str | None:
        """Its last words, if they are of memory; only of a process with a limit."""
        if self.job.memory_limit is None or self.job.log is None:
            return None
        return out_of_memory.said_by(out_of_memory.last_words(self.job.log, self._said_before))
