"""The choice of the way to step: by measurement, without waiting for hopeless ways."""

import time

import pytest

from algoperf_lite.machine import memory
from algoperf_lite.training import calibration


def _way(seconds_per_step, taken):
    def run(num_steps):
        taken.append(num_steps)
        time.sleep(0.001 * seconds_per_step * num_steps)
        return seconds_per_step

    return run


def test_the_faster_way_wins_and_a_hopeless_one_is_looked_at_once(monkeypatch):
    monkeypatch.setattr(calibration, "_MEASURED_SECONDS", 24.0)
    single, scan = [], []
    found = calibration.fastest({"single": _way(1.0, single), "scan": _way(30.0, scan)})
    assert found == {"single": 1.0, "scan": 30.0}
    assert len(scan) == 1, "a way that is 30 times slower was measured again"
    assert single[1:] == [24] * 5, "the way in the race is measured over the time it is given"


def test_ways_that_are_close_are_both_measured_in_turns():
    single, scan = [], []
    calibration.fastest({"single": _way(0.05, single), "scan": _way(0.06, scan)})
    assert len(single) == len(scan) == 6


def test_memory_is_asked_for_before_anything_starts(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 3 * 2**30)
    assert memory.workers_that_fit(None, 8) == 1
    assert memory.workers_that_fit(1, 8) == 1
    with pytest.raises(ValueError, match=r"2 trials side by side need about 4.0 GiB.*3.0 GiB"):
        memory.workers_that_fit(2, 8)
    monkeypatch.setattr(memory, "available_memory", lambda: 2**29)
    with pytest.raises(ValueError, match=r"1 trial needs about 2.0 GiB of memory.*0.5 GiB"):
        memory.workers_that_fit(None, 8)
    monkeypatch.setattr(memory, "available_memory", lambda: 64 * 2**30)
    assert memory.workers_that_fit(None, 8) == 8
