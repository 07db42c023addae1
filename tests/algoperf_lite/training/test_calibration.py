"""The choice of the way to step: by measurement, without waiting for hopeless ways."""

import dataclasses
import json
import time

import pytest

import workloads
from algoperf_lite.machine import memory
from algoperf_lite.training import calibration, modes, residency
from algoperf_lite.training.calibration import Calibration


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


@pytest.mark.parametrize("mode", [*modes.MODES, "of_another_version"])
def test_one_that_is_kept_holds_where_its_mode_is_worth_a_measurement(mode, tmp_path, monkeypatch):
    kept = dataclasses.asdict(Calibration(0.1, 600, mode, 8, {mode: 0.1}, "key"))
    path = tmp_path / "digits.json"
    path.write_text(json.dumps(kept))
    assert calibration._recalled(path) == (kept if mode in modes.modes_on("cpu") else None)
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert calibration._recalled(path) == (kept if mode in modes.modes_on("gpu") else None)


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


class _Fed:
    """A stepper whose every step waits a millisecond for its batch."""

    def __init__(self):
        self.steps, self.taken, self.is_closed = [], 0, False

    def compile(self, state):
        return True

    def advance(self, state, first_step, num_steps, beat):
        self.steps += range(first_step, first_step + num_steps)
        time.sleep(0.002 * num_steps)
        return state

    def take_waited(self):
        waited, self.taken = 0.001 * (len(self.steps) - self.taken), len(self.steps)
        return waited

    def close(self):
        self.is_closed = True


def test_what_is_waited_for_is_told_apart_and_steps_follow_each_other(monkeypatch):
    monkeypatch.setattr(calibration, "_MEASURED_SECONDS", 0.01)
    stepper = _Fed()
    found = calibration._fed_seconds(stepper, {}, lambda: None)
    assert list(found) == ["single", calibration.WITHOUT_WAITING]
    with_waiting, without = found.values()
    assert with_waiting >= 0.002 and with_waiting - without == pytest.approx(0.001)
    assert stepper.steps == list(range(6 * 8)) and stepper.is_closed


@pytest.mark.slow
def test_what_does_not_fit_on_the_device_is_measured_as_it_is_read(monkeypatch):
    monkeypatch.setattr(residency, "arrays", lambda source: None)
    monkeypatch.setattr(calibration, "_MEASURED_SECONDS", 0.01)
    found = calibration._measure(workloads.load("digits"), lambda: None)
    assert (found.mode, found.steps_per_dispatch) == ("single", 1)
    with_waiting, without = found.seconds_by_mode.values()
    assert found.seconds_per_step == with_waiting >= without > 0
