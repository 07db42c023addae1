"""What is seen of a submission that tampers, and that an honest process is left alone."""

import contextlib
import ctypes
import gc
import mmap
import os
import sys
import threading
import time

import jax
import pytest

from algoperf_lite.training import evaluation
from algoperf_lite.trial import integrity


def test_an_untouched_process_is_found_untouched():
    watch = integrity.TamperCheck()
    jax.block_until_ready(jax.jit(lambda x: x + 1)(1.0))
    watch.check_names()
    for _ in range(10):
        watch.check_rest()


@pytest.mark.parametrize(
    ("owner", "name"),
    [(time, "monotonic"), (jax, "jit"), (evaluation.Evaluator, "__call__"), (evaluation, "np")],
)
def test_replaced_functions_are_named(monkeypatch, owner, name):
    watch = integrity.TamperCheck()
    monkeypatch.setattr(owner, name, lambda *arguments: 0.0)
    with pytest.raises(integrity.RulesBroken, match=name):
        watch.check_names()
    monkeypatch.undo()
    watch.check_names()


def test_changed_flags_and_environment_are_named(monkeypatch):
    watch = integrity.TamperCheck()
    monkeypatch.setitem(os.environ, "XLA_FLAGS", "--fast")
    with pytest.raises(integrity.RulesBroken, match="environment variable XLA_FLAGS"):
        watch.check_names()
    monkeypatch.undo()
    precision = jax.config.jax_default_matmul_precision
    jax.config.update("jax_default_matmul_precision", "bfloat16")
    try:
        with pytest.raises(integrity.RulesBroken, match="jax_default_matmul_precision"):
            watch.check_names()
    finally:
        jax.config.update("jax_default_matmul_precision", precision)


@contextlib.contextmanager
def _spinning(name):
    """A thread that computes without an end."""
    stop = threading.Event()

    def spin():
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=spin, name=name)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_thread_that_computes_while_all_should_rest_is_noticed():
    watch = integrity.TamperCheck()
    with (
        _spinning("helper-of-mine"),
        pytest.raises(integrity.RulesBroken, match="helper-of-mine"),
    ):
        for _ in range(20):
            watch.check_rest()


@pytest.mark.skipif(
    not integrity._thread_seconds(str(threading.get_native_id())),
    reason="the system does not tell what a thread has computed",
)
def test_a_thread_that_never_rested_is_the_runtimes_and_others_are_still_noticed():
    """As a driver's that waits for its device."""
    with _spinning("of-the-driver"):
        watch = integrity.TamperCheck()
        assert len(watch._restless) == 1
        for _ in range(20):
            watch.check_rest()
        with (
            _spinning("helper-of-mine"),
            pytest.raises(integrity.RulesBroken, match="helper-of-mine"),
        ):
            for _ in range(20):
                watch.check_rest()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is mapped as Linux's libc does it")
def test_memory_that_is_given_back_late_is_no_work_of_the_submission():
    """A language model's step leaves gigabytes, and the runtime frees them when all is ready."""
    madvise = ctypes.CDLL(None).madvise  # does not hold the interpreter's lock, as a runtime
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    watch, memory = integrity.TamperCheck(), mmap.mmap(-1, 2**29)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for _ in range(4):
        ctypes.memset(address, 1, len(memory))
        give_back = (address, len(memory), mmap.MADV_DONTNEED)
        thread = threading.Thread(target=madvise, args=give_back)
        thread.start()
        watch.check_rest()
        thread.join()


def test_garbage_that_changes_modules_while_they_are_listed_does_no_harm(monkeypatch):
    """Storage libraries leave coroutines behind, whose collection imports what warns of them."""
    monkeypatch.setattr(sys, "modules", dict(sys.modules))

    class Late:
        def __init__(self):
            self.me = self

        def __del__(self):
            sys.modules[f"late_{len(sys.modules)}"] = None
            if len(sys.modules) < 100_000 and not is_over:
                Late()

    is_over = False
    thresholds = gc.get_threshold()
    try:
        gc.set_threshold(1, 1, 1)
        Late()
        names = [name for name, _ in integrity._names()]
    finally:
        is_over = True
        gc.set_threshold(*thresholds)
        gc.collect()
    assert any(name.startswith("algoperf_lite.") for name in names)
