"""What a submission must leave alone while it is tried, and how the harness sees that it did.

This finds mistakes and casual cheating. It cannot stop native code that is determined to lie: who
runs hostile files must put the whole process into a container.
"""

import os
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from algoperf_lite.submission.algoperf_shim import put_back
from algoperf_lite.trial.record import RulesBroken

_WATCHED = (  # modules whose names are not to be rebound; and all of the harness
    *("time", "os", "builtins", "csv", "json", "threading", "subprocess"),
    *("numpy", "jax", "jax.numpy", "jax.lax", "jax.random", "jax.tree", "optax", "flax.linen"),
)
_OURS = ("algoperf_lite", "workloads")
_TASKS = Path("/proc/self/task")  # one folder for each thread, by its number
_WINDOW_SECONDS = 0.004  # between two looks
_WORK_SECONDS = 0.012  # of processor; threads that go to sleep after their work take less
# Of processor per byte given back to the system. It takes a third of this; and as getting the byte
# takes twice as much, nobody gains by it.
_FREEING_SECONDS = 3e-10
_PATIENCE = 2.0  # seconds to wait for that much, where the machine is busy with other things
_BUSY = 0.2  # share of a window, where the system does not tell what threads do
_REST_SECONDS = 0.05  # for which threads that never rest are looked at
_TOLERATED_LOOKS = 2  # evaluations at which something was still busy
_TOLERATED_CHILD_SECONDS = 0.05  # of processor, in child processes, during an evaluation


class TamperCheck:
    """Remembers the surroundings when it is made; says later what is different.

    Args:
      workload_module: of the trial's workload, whose package may be somebody else's.
    """

    def __init__(self, workload_module: str = "workloads") -> None:
        self._package = workload_module.partition(".")[0]
        self._names = dict(_names(self._package))
        self._environment, self._config = dict(os.environ), _config()
        self._threads = set(threading.enumerate())
        self._busy_looks = 0
        self._restless = _restless_threads()

    def check_names(self) -> None:
        """Raises RulesBroken where a function, a class, a flag or the environment was replaced."""
        # What the harness itself gave old keywords back to is as it was.
        now = {name: put_back.original(found) for name, found in _names(self._package)}
        changed = [name for name, found in self._names.items() if now.get(name) is not found]
        changed += _changed("environment variable", self._environment, dict(os.environ))
        changed += _changed("jax.config", self._config, _config())
        if changed:
            raise RulesBroken(f"the submission replaced {', '.join(changed[:5])}")

    def check_rest(self) -> None:
        """Raises RulesBroken where, again and again, something computes while nothing should.

        To be called where everything that was handed back has been computed."""
        seconds = _seconds_computed_on(self._restless)
        if seconds is None:
            return
        self._busy_looks += 1
        if self._busy_looks > _TOLERATED_LOOKS:
            raise RulesBroken(
                f"before {self._busy_looks} evaluations something computed on ({seconds:.3f} s) "
                f"when all that the submission returned was ready{self._new_threads()}"
            )

    def _new_threads(self) -> str:
        new = [thread.name for thread in threading.enumerate() if thread not in self._threads]
        return f"; threads it started: {', '.join(new)}" if new else ""


class Children:
    """Processor time of child processes from one moment to another."""

    def __init__(self) -> None:
        self._before = _child_seconds()

    def check(self) -> None:
        """Raises RulesBroken where children have computed since."""
        after = _child_seconds()
        worked = {
            pid: seconds - self._before.get(pid, 0.0)
            for pid, seconds in after.items()
            if seconds - self._before.get(pid, 0.0) > _TOLERATED_CHILD_SECONDS
        }
        if worked:
            raise RulesBroken(
                f"{len(worked)} child processes of the submission computed for "
                f"{sum(worked.values()):.2f} s during an evaluation"
            )


def _restless_threads() -> frozenset[str]:
    """Threads of the runtime that compute although there is nothing to compute: some drivers wait
    for their device that way. None on a CPU, whose threads sleep."""
    if not _TASKS.is_dir() or _seconds_computed_on(frozenset()) is None:
        return frozenset()
    names = {task.name for task in _TASKS.iterdir()} - {str(threading.get_native_id())}
    before = {name: _thread_seconds(name) for name in names}
    time.sleep(_REST_SECONDS)
    least = _BUSY * _REST_SECONDS
    return frozenset(name for name in names if _thread_seconds(name) - before[name] > least)


def _seconds_computed_on(restless: frozenset[str]) -> float | None:
    """Processor time of other threads and of children, from now until it is too much to be the
    end of what they did before; None where they come to rest, which some threads never do."""
    start, deadline = _others_seconds(restless), time.monotonic() + _PATIENCE
    memory = _resident_bytes()
    while _is_anyone_runnable(restless) and time.monotonic() < deadline:
        time.sleep(_WINDOW_SECONDS)
        seconds = _others_seconds(restless) - start
        # The runtime gives back what a step needed after its results are ready.
        freed = max(0, memory - _resident_bytes())
        if seconds > _WORK_SECONDS + _FREEING_SECONDS * freed:
            return seconds
    return None


def _others_seconds(restless: frozenset[str]) -> float:
    apart = sum(map(_thread_seconds, restless))
    return time.process_time() - time.thread_time() + sum(_child_seconds().values()) - apart


def _resident_bytes() -> int:
    import psutil

    return psutil.Process().memory_info().rss


def _is_anyone_runnable(restless: frozenset[str]) -> bool:
    """Whether another thread or a child computes, or would if a core were free for it."""
    return any(map(_is_runnable, _children())) or _is_a_thread_runnable(restless)


def _is_a_thread_runnable(restless: frozenset[str]) -> bool:
    left_out = {*restless, str(threading.get_native_id())}
    if _TASKS.is_dir():
        return "R" in (_state(task) for task in _TASKS.iterdir() if task.name not in left_out)
    began, cpu = time.perf_counter(), time.process_time()
    time.sleep(_WINDOW_SECONDS)
    return time.process_time() - cpu > _BUSY * (time.perf_counter() - began)


def _thread_seconds(name: str) -> float:
    """Processor time of a thread of this process; 0 where the system does not tell."""
    try:  # nanoseconds on a processor, waiting for one, and number of turns
        return int((_TASKS / name / "schedstat").read_text().split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _state(task: Path) -> str:
    """'R' for a thread that is running or waits for nothing but a core; see proc(5)."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # gone meanwhile
        return ""


def _children() -> list[Any]:
    import psutil

    return psutil.Process().children(recursive=True)


def _is_runnable(child: Any) -> bool:
    import psutil

    try:
        return child.status() == psutil.STATUS_RUNNING
    except psutil.Error:  # gone meanwhile
        return False


def _child_seconds() -> dict[int, float]:
    import psutil

    found = {}
    for child in _children():
        try:
            times = child.cpu_times()
        except psutil.Error:  # gone meanwhile
            continue
        found[child.pid] = times.user + times.system
    return found


def _names(package: str = "workloads") -> Iterator[tuple[str, Any]]:
    """What the watched modules, and the classes of the harness, mean by their names; and functions
    and classes of the workload's package."""
    # Copies: garbage that is collected while a list is made may import or define something.
    for module_name, module in sys.modules.copy().items():
        root = module_name.partition(".")[0]
        is_ours = root in _OURS and not _is_stand_in(module_name)
        has_classes = is_ours or root == package
        if not (has_classes or module_name in _WATCHED) or not isinstance(module, types.ModuleType):
            continue
        for name, value in vars(module).copy().items():
            if name.startswith("__") or not (is_ours or callable(value)):
                continue
            yield f"{module_name}.{name}", value
            if has_classes and isinstance(value, type) and value.__module__ == module_name:
                for attribute, found in vars(value).copy().items():
                    if callable(found) or isinstance(found, property | staticmethod | classmethod):
                        yield f"{module_name}.{name}.{attribute}", found


def _is_stand_in(module_name: str) -> bool:
    return module_name.startswith("algoperf_lite.submission.algoperf_shim")


def _config() -> dict[str, Any]:
    return {name: repr(value) for name, value in jax.config.values.items()}


def _changed(what: str, before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [f"{what} {name}" for name in sorted(names)]
