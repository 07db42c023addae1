"""The job's side of the pipe: a fresh process that runs one job and reports."""

import ctypes
import importlib
import json
import os
import signal
import sys
from typing import Any

from algoperf_lite.machine import environment, memory

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(argv: list[str]) -> None:
    """The job's side: reads payload and cores from stdin, runs, writes events to a pipe."""
    module, pipe = argv[0], int(argv[1])
    os.set_inheritable(pipe, False)
    _die_with_parent()
    message = json.load(sys.stdin)
    environment.pin(tuple(message["cores"]))
    memory.limit_memory(message["memory_limit"])

    def report(**event: Any) -> None:
        try:
            os.write(pipe, json.dumps(event).encode() + b"\n")
        except BrokenPipeError:
            os._exit(1)  # nobody is left to hear the result

    work = importlib.import_module(module).work
    result = work({**message["payload"], "started": message["started"]}, report)
    report(event="result", result=result)


def _die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent dies, however it dies (Linux)."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
