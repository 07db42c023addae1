"""Cores: nobody's twice, all in the end, and free again when their holder dies."""

import subprocess
import sys
import threading
import time

import pytest

from algoperf_lite.executors.ray import core_locks


def test_a_core_has_one_holder_at_a_time_and_nobody_waits_forever(tmp_path):
    held, most, lock = set(), [], threading.Lock()

    def hold(count):
        with core_locks.claimed(count, [3, 4, 7], tmp_path) as cores:
            with lock:
                assert not held & set(cores)
                held.update(cores)
                most.append(len(cores))
            time.sleep(0.1)
            with lock:
                held.difference_update(cores)

    threads = [threading.Thread(target=hold, args=(count,)) for count in (1, 2, 3, 1, 2, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(most) == [1, 1, 2, 2, 2, 3]


def test_more_than_there_are_is_refused(tmp_path):
    refused = pytest.raises(ValueError, match="3 cores were asked for, 2 are available here")
    with refused, core_locks.claimed(3, [0, 1], tmp_path):
        pass


def test_the_dead_hold_nothing(tmp_path):
    script = (
        "import pathlib, time\nfrom algoperf_lite.executors.ray import core_locks\n"
        f"with core_locks.claimed(1, [0], pathlib.Path({str(tmp_path)!r})):\n"
        "    print('mine', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "mine\n"
    got = threading.Event()

    def claim():
        with core_locks.claimed(1, [0], tmp_path):
            got.set()

    thread = threading.Thread(target=claim)
    thread.start()
    assert not got.wait(0.5)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert got.wait(60)
    thread.join()
