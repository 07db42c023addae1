"""The job's side of the pipe: a fresh process that runs one job and reports."""

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any

from algoperf_lite.machine import environment, memory

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(argv: list[str]) -> None:
    """Runs the job that stdin describes; `argv` is its module and the pipe its events go to."""
    module, pipe = argv[0], int(argv[1])
    # Programs that a submission starts are not to keep the pipe open, nor to write to it.
    os.set_inheritable(pipe, False)
    die_with_parent()
    leave_sigterm_to_parent()
    message = json.load(sys.stdin)
    # Both before JAX is loaded: its pools of threads are as large as the cores it finds.
    environment.pin(tuple(message["cores"]))
    memory.limit_memory(message["memory_limit"])
    # Bound here, before a submission is loaded that might put another clock in its place.
    now, turn = time.monotonic, threading.Lock()

    def report(**event: Any) -> None:
        # Of two threads that report, the one that reads the clock first has to write first.
        with turn:
            _write(pipe, json.dumps({**event, "at": now()}).encode() + b"\n")

    work = importlib.import_module(module).work
    # What is loaded stays: looking for garbage in it would only cost the job time.
    gc.freeze()
    result = work({**message["payload"], "started": message["started"]}, report)
    report(event="result", result=result)


def _write(pipe: int, line: bytes) -> None:
    try:
        while line:  # a signal may interrupt a long one
            line = line[os.write(pipe, line) :]
    except BrokenPipeError:
        os._exit(1)  # nobody is left to hear the result


def die_with_parent(parent: int | None = None) -> None:
    """Asks the kernel to kill this process when its parent dies, however it dies (Linux).

    `parent` is its number, None for that of now: one that has been replaced is dead already.
    """
    if sys.platform == "linux":
        parent = parent or os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)


def leave_sigterm_to_parent() -> None:
    """Lets SIGTERM pass: Slurm sends it to all processes of a job at once, and a trial that died of
    it would count as crashed. The parent, which gets it too, ends this process."""
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    # A fork, such as a submission's worker, is ended by it as usual; so is a program it starts.
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))


if __name__ == "__main__":
    main(sys.argv[1:])
