"""Templates: processes that have loaded what jobs need, and fork one for each job.

Loading takes seconds and is the same for every job, so it is done once in a command: when the first
job that needs something asks for it. A template runs no job itself: whatever a job changes in its
own process is gone with it, and the next one begins where the first one did. A process can be
forked only while it has a single thread, and JAX has many once it has found its devices; a template
has looked for none.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from algoperf_lite.executors import child
from algoperf_lite.executors.job import Job
from algoperf_lite.machine import devices
from algoperf_lite.machine.devices import Slot

_MESSAGE_BYTES = 2**16  # at most; it is a few names and numbers
_Key = frozenset[tuple[str, str]]


def can_fork(job: Job, slot: Slot) -> bool:
    """Whether a job on a slot may come from a template; others start as processes of their own.

    Not with an accelerator, whose devices are a matter of the environment; not with an interpreter
    of the job's own; not with several cores, for which numerical libraries start threads as soon as
    they are loaded; and not on macOS, whose system libraries do not bear a fork.
    """
    has_core = slot.backend == "cpu" and len(slot.cores) == 1
    return sys.platform == "linux" and has_core and not slot.variables and job.python is None


# --- in the command ---------------------------------------------------------------------------


class Templates:
    """The templates of a command, one for each environment; none outlives this object."""

    def __init__(self) -> None:
        self._found: dict[_Key, Template] = {}

    def of(self, variables: Mapping[str, str], output: IO[bytes]) -> "Template":
        """The template for jobs in an environment; a new one writes to `output`."""
        key = frozenset(variables.items())
        if key in self._found and self._found[key].is_gone():
            self._found.pop(key).close()
        if key not in self._found:
            self._found[key] = Template(variables, output)
        return self._found[key]


class Forked:
    """A process that a template forks: the part of `subprocess.Popen` that its parent needs.

    Attributes:
      stdin: its standard input.
      pid: its number; that of the template as long as it is not there yet, so that whoever ends it
        ends what is to become it.
      returncode: as of `subprocess.Popen`.
    """

    def __init__(self, template: "Template", pid: int, stdin: IO[bytes]):
        self.stdin, self.pid, self.returncode = stdin, pid, None
        self._template = template

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        self._template.listen()
        return self.returncode

    def wait(self) -> int:
        """Its exit code, once it has one."""
        while self.returncode is None:
            self._template.listen(wait=True)
        return self.returncode


class Template:
    """A template as the command sees it."""

    def __init__(self, variables: Mapping[str, str], output: IO[bytes]):
        """Starts it; what goes wrong as it starts is written to `output`."""
        # Packets, so that what it and its forks say at the same time stays apart.
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._forked: dict[int, Forked] = {}
        self._count = 0
        with theirs:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                env=variables,
                start_new_session=True,
            )
        # Also called when nobody holds this object any more: an executor needs no end of its own.
        self.close = weakref.finalize(self, _end, self._popen, self._channel)

    def fork(self, job: Job, output: IO[bytes], events: int) -> Forked:
        """A job's process, which writes to `output` and has the pipe `events`; does not wait for
        it."""
        reader, writer = os.pipe()
        number, self._count = self._count, self._count + 1
        forked = self._forked[number] = Forked(self, self._popen.pid, os.fdopen(writer, "wb"))
        # One that is gone is found out when the process is asked for.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            request = {"number": number, "module": job.module, "preload": job.preload}
            files = [reader, output.fileno(), events]
            socket.send_fds(self._channel, [json.dumps(request).encode()], files)
        os.close(reader)
        return forked

    def listen(self, wait: bool = False) -> None:
        """Takes in what it has to say; with `wait`, waits for one message."""
        while self._popen.returncode is None:
            try:
                message = self._channel.recv(_MESSAGE_BYTES, 0 if wait else socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionResetError:
                message = b""
            if not message:
                self._take_end()
                return
            self._take(**json.loads(message))
            if wait:
                return

    def _take(self, number: int, pid: int | None = None, code: int | None = None) -> None:
        if pid is not None:
            self._forked[number].pid = pid
        else:
            self._forked.pop(number).returncode = code

    def _take_end(self) -> None:
        """Takes in that it is gone, and so are all that it had forked."""
        code = self._popen.wait()
        for forked in self._forked.values():
            # What it could not even fork has its own end.
            was_there = forked.pid != self._popen.pid
            forked.returncode = -signal.SIGKILL if was_there else code
        self._forked.clear()

    def is_gone(self) -> bool:
        """Whether it has ended by itself, which it does only where something is wrong."""
        self.listen()
        return self._popen.returncode is not None


def _end(template: "subprocess.Popen[bytes]", channel: socket.socket) -> None:
    """Ends a template, and with it what it has forked."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(template.pid, signal.SIGKILL)
    template.wait()
    channel.close()


# --- in the template --------------------------------------------------------------------------


def main(argv: list[str]) -> None:
    """Runs a template, and in each of its forks a job; `argv` is the socket of the command."""
    channel = socket.socket(fileno=int(argv[0]))
    channel.set_inheritable(False)
    child.die_with_parent()
    child.leave_sigterm_to_parent()
    module, events, why = _next_job(channel)
    if why is not None:
        print(f"this process starts anew, as its template has {why}", file=sys.stderr, flush=True)
        os.set_inheritable(int(events), True)
        os.execv(sys.executable, [sys.executable, "-m", child.__name__, module, events])
    # A module may have taken its share of randomness when it was loaded.
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    sys.argv[1:] = [module, events]
    child.main(sys.argv[1:])


def not_pristine() -> str | None:
    """What this process has that no fork survives, as a clause; None where it has no such thing."""
    if devices.is_in_use():
        return "devices in use"
    count = len(list(Path("/proc/self/task").iterdir()))
    # Native threads too: some library may start one as it is loaded.
    return None if count == 1 else f"{count} threads"


def _load(module: str, names: Sequence[str]) -> None:
    """Loads what a module's jobs need; one that cannot be loaded is for its jobs to tell."""
    with contextlib.suppress(Exception):
        preload = getattr(importlib.import_module(module), "preload", None)
        if preload is not None:
            preload(*names)
    # Collecting garbage writes to every object; what lies still, all forks share.
    gc.collect()
    gc.freeze()


def _next_job(channel: socket.socket) -> tuple[str, str, str | None]:
    """Forks a process for each request, and returns there: the job's module, the pipe for its
    events, and what `not_pristine` says of the template.

    The template itself stays inside until the command is gone.
    """
    wakened, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(waker)
    template, numbers, loaded, why = os.getpid(), {}, set(), None
    while True:
        ready, _, _ = select.select([channel, wakened], [], [])
        if wakened in ready:
            os.read(wakened, _MESSAGE_BYTES)
            _tell_ends(channel, numbers)
        if channel not in ready:
            continue
        how = socket.MSG_CMSG_CLOEXEC
        request, files, _, _ = socket.recv_fds(channel, _MESSAGE_BYTES, 3, how)
        if not files:
            sys.exit()
        asked = json.loads(request)
        key = asked["module"], *asked["preload"]
        if key not in loaded:
            loaded.add(key)
            _load(asked["module"], asked["preload"])
            why = not_pristine()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(wakened)
            os.close(waker)
            _detach(channel, asked["number"], template, *files[:2])
            return asked["module"], str(files[2]), why
        numbers[pid] = asked["number"]
        for file in files:
            os.close(file)


def _detach(channel: socket.socket, number: int, template: int, stdin: int, output: int) -> None:
    """Makes a fork a process of its own: its group, its files, and no way to the command."""
    os.setsid()
    child.die_with_parent(template)
    for file, place in ((stdin, 0), (output, 1), (output, 2)):
        os.dup2(file, place)
    os.close(stdin)
    os.close(output)
    # Said by the fork itself: from here on its group is there to be killed.
    with channel:
        channel.send(json.dumps({"number": number, "pid": os.getpid()}).encode())


def _tell_ends(channel: socket.socket, numbers: dict[int, int]) -> None:
    while numbers:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        channel.send(json.dumps({"number": numbers.pop(pid), "code": code}).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
