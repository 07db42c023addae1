"""A job's process as its parent sees it: started, listened to, ended where it breaks a limit."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import IO, Any

from algoperf_lite.executors import template
from algoperf_lite.executors.job import Event, Job, Outcome
from algoperf_lite.executors.stamps import Stamps
from algoperf_lite.executors.template import Forked, Templates
from algoperf_lite.machine import environment, last_words, out_of_memory
from algoperf_lite.machine.devices import BACKEND, Slot

_EXIT_SECONDS = 10.0  # for a process that has given its result to go away
_FOREIGN = "foreign"  # what is none of our events: something else writes to the pipe
_NOT_PASSED_ON = ("closing", "closed", _FOREIGN)


class Process:
    """A running job. Payload, events and result travel as JSON through pipes of their own, so that
    whatever the job prints cannot disturb them."""

    def __init__(self, job: Job, slot: Slot, templates: Templates | None = None):
        """Starts the job on the slot's cores and devices, from one of `templates` where it can.

        Raises OSError where its log cannot be written.
        """
        self.job, self.slot = job, slot
        if job.log:
            job.log.parent.mkdir(parents=True, exist_ok=True)
        # Attempts share a log: only what comes after this are the last words of this one.
        self._log_start = job.log.stat().st_size if job.log and job.log.exists() else 0
        self._kills_before = out_of_memory.num_kills()
        self._result: Outcome | None = None
        self._outcome: Outcome | None = None
        self._buffer = b""
        self._heard = self._got_on = time.monotonic()
        self._stamps = Stamps(began=self._heard)
        self._templates = templates if template.can_fork(job, slot) else None
        self.events, self._popen = self._start()

    def _start(self) -> tuple[int, subprocess.Popen[bytes] | Forked]:
        """(end of the pipe to read events from, process)."""
        job, slot = self.job, self.slot
        events, writer = os.pipe()
        os.set_blocking(events, False)
        output = job.log.open("ab") if job.log else open(os.devnull, "wb")  # noqa: SIM115
        message = {
            "payload": dict(job.payload),
            "cores": slot.cores,
            "started": self._stamps.began,
            "memory_limit": job.memory_limit,
        }
        with output:
            popen = self._forked(output, writer) or self._fresh(output, writer)
        os.close(writer)  # the child's copy alone is left, so that its end ends the pipe
        with contextlib.suppress(BrokenPipeError), popen.stdin as stdin:
            stdin.write(json.dumps(message).encode())
        return events, popen

    def _forked(self, output: IO[bytes], writer: int) -> Forked | None:
        """The process, forked from a template; None where that is not its way to start."""
        if self._templates is None:
            return None
        return self._templates.of(self._environment(), output).fork(self.job, output, writer)

    def _fresh(self, output: IO[bytes], writer: int) -> subprocess.Popen[bytes]:
        python = str(self.job.python or sys.executable)
        return subprocess.Popen(
            [python, "-m", "algoperf_lite.executors.child", self.job.module, str(writer)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(writer,),
            env=self._environment(),
            start_new_session=True,  # a group of its own: killed with all it started
        )

    def _environment(self) -> dict[str, str]:
        slot, job = self.slot, self.job
        shared = environment.environment(len(slot.cores) or os.cpu_count() or 1, job.cache)
        # An empty name, as this process may itself have a parent that expects something.
        found = {**shared, **slot.variables, **job.variables, BACKEND: slot.backend or ""}
        return job.numerics.applied(found)

    def read(self) -> list[Event]:
        """Takes in what the job has reported; returns what of it is for others to know."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.events, 1 << 16):
                self._buffer += piece
        *lines, self._buffer = self._buffer.split(b"\n")
        events = []
        for line in lines:
            self._heard = time.monotonic()
            event = _parsed(line)
            # A stamp is of this machine's clock, and says nothing on another one.
            self._stamps.take(event["event"], event.pop("at", None), self._heard)
            if event["event"] == "result":
                self._result = self._ended_well(event["result"])
            elif event["event"] not in _NOT_PASSED_ON:
                events.append(event)
            if event["event"] == "progress":
                self._got_on = self._heard
        return events

    def outcome(self) -> Outcome | None:
        """The outcome once the process is gone; kills it where it broke a limit. Never blocks."""
        if self._outcome is not None:
            return self._outcome
        now = time.monotonic()
        silence, limit = self.job.silence_limit, self.job.time_limit
        if self._popen.poll() is not None:
            self.read()  # what it said last
            self._outcome = self._result or self._death()
        elif self._result is not None:
            if now - self._heard > _EXIT_SECONDS:
                self._outcome = self._result  # it has said all it had to say and hangs
        elif now - self._heard > silence:
            self._outcome = self._timed_out(f"gave no sign of life for {silence:.0f} s")
        elif limit is not None and now - self._got_on > limit:
            what = f"was still running after {limit:.0f} s without an evaluation"
            self._outcome = self._timed_out(what)
        return self._outcome

    def kill(self) -> None:
        """Ends the job and everything it started."""
        # SIGKILL, since a submission may ignore anything else; the group, for what it started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends the process, if it has not ended, and whatever it left running."""
        self.kill()
        self._popen.wait()
        os.close(self.events)

    def _ended_well(self, result: dict[str, Any]) -> Outcome:
        stamps = self._stamps
        # A job that closes no clock of its own lasts until its result.
        closed = stamps.last if stamps.closed is None else stamps.closed
        closing = None if stamps.closing is None else stamps.closing - stamps.began
        return Outcome(result, closed - stamps.began, closing=closing, finding=stamps.finding)

    def _ended_badly(self, status: str, error: str) -> Outcome:
        return Outcome(None, time.monotonic() - self._stamps.began, status, error)

    def _timed_out(self, what: str) -> Outcome:
        self.kill()
        # Without room for a thread, native code may wait for it for ever.
        why = self._said_want_of_memory()
        if why is not None:
            return self._ended_badly("out_of_memory", f"the process {what} ({why})")
        return self._ended_badly("timed_out", f"the process {what}")

    def _death(self) -> Outcome:
        code = self._popen.returncode
        if code >= 0:
            what = f"the process exited with code {code} before it had a result"
        else:
            what = f"the process was killed by {signal.Signals(-code).name}"
        why = self._want_of_memory(code)
        if why is not None:
            return self._ended_badly("out_of_memory", f"{what} ({why})")
        if code == -signal.SIGKILL:
            what += " (often the kernel, out of memory)"
        fatal = last_words.fatal(self._last_words())
        if fatal is not None:
            what += f" ({fatal})"
        return self._ended_badly("crashed", what)

    def _want_of_memory(self, code: int) -> str | None:
        """The evidence that the process died for want of memory; None where there is none."""
        kills = out_of_memory.num_kills()
        if code == -signal.SIGKILL and kills is not None and kills > (self._kills_before or 0):
            return "by the kernel, out of memory"
        # 1 is the code of an exception; one without a limit speaks of memory for other reasons.
        return self._said_want_of_memory() if code < 0 or code == 1 else None

    def _said_want_of_memory(self) -> str | None:
        """Its last words, if they are of memory; only of a process with a limit, or with the memory
        of an accelerator, which is one."""
        is_limited = self.job.memory_limit is not None or self.slot.has_accelerator
        return out_of_memory.said_by(self._last_words()) if is_limited else None

    def _last_words(self) -> str:
        """The end of what it wrote; empty where it has no log."""
        return last_words.read(self.job.log, self._log_start) if self.job.log else ""


def _parsed(line: bytes) -> dict[str, Any]:
    """The event of a line; one without a stamp where the harness cannot have written it."""
    try:
        event = json.loads(line)
        is_result = event["event"] == "result"
        if isinstance(event["event"], str) and (not is_result or isinstance(event["result"], dict)):
            return event
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return {"event": _FOREIGN}
