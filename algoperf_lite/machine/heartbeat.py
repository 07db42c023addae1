"""Signs of life where one call takes minutes: compilation, evaluation. Loads no JAX."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

_SECONDS = 5.0  # between two signs: short against the shortest silence that people allow
_COMPILER = os.path.join("jax", "_src", "compiler.py")  # whose functions call XLA


@contextlib.contextmanager
def beating(
    beat: Callable[[], None],
    seconds: float = _SECONDS,
    is_alive: Callable[[], bool] = lambda: True,
) -> Iterator[None]:
    """The time in which another thread calls `beat` every so many seconds if `is_alive` says so.

    For work of the harness and the workload alone: a submission that hangs has to stay silent.
    """
    has_ended = threading.Event()

    def watch() -> None:
        while not has_ended.wait(seconds):
            if is_alive():
                beat()

    thread = threading.Thread(target=watch, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()


def while_compiling(
    beat: Callable[[], None], seconds: float = _SECONDS
) -> contextlib.AbstractContextManager[None]:
    """The time in which `beat` is called as long as this thread is in XLA's compiler.

    XLA lets other threads of Python run meanwhile. A submission that hangs, also where JAX traces
    it, is in no such call and stays silent.
    """
    observed = threading.get_ident()
    return beating(beat, seconds, lambda: _is_compiling(observed))


def _is_compiling(thread: int) -> bool:
    """Whether a thread of this process, by its identifier, is in JAX's compiler."""
    # JAX announces a compilation when it is over, so its stack is what tells.
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_filename.endswith(_COMPILER):
            return True
        frame = frame.f_back
    return False
