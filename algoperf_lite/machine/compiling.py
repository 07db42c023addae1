"""Signs of life while JAX compiles, which takes minutes for a large model. Loads no JAX."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

_SECONDS = 5.0  # between two looks: short against the shortest silence that people allow
_COMPILER = os.path.join("jax", "_src", "compiler.py")  # whose functions call XLA


@contextlib.contextmanager
def beating(beat: Callable[[], None], seconds: float = _SECONDS) -> Iterator[None]:
    """The time in which `beat` is called every so many seconds while this thread is in XLA.

    XLA lets other threads of Python run meanwhile. A submission that hangs, also where JAX traces
    it, is in no such call and stays silent.
    """
    observed, has_ended = threading.get_ident(), threading.Event()

    def watch() -> None:
        while not has_ended.wait(seconds):
            if is_compiling(observed):
                beat()

    thread = threading.Thread(target=watch, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()


def is_compiling(thread: int) -> bool:
    """Whether a thread of this process, by its identifier, is in JAX's compiler."""
    # JAX announces a compilation when it is over, so its stack is what tells.
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_filename.endswith(_COMPILER):
            return True
        frame = frame.f_back
    return False
