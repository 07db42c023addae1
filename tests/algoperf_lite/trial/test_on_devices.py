"""What a trial does and records where there is an accelerator, or should be one."""

import pytest
import trials

from algoperf_lite.machine import devices
from algoperf_lite.trial.record import TrialRecord


def test_a_trial_that_finds_another_backend_fails_with_a_sentence_and_stays_so(
    tmp_path, monkeypatch
):
    monkeypatch.setenv(devices.BACKEND, "another")
    record = trials.run(trials.on_digits(tmp_path))
    assert (record["status"], record["stage"]) == ("crashed", "setup")
    assert record["error"].startswith("WrongBackend: this process was to compute on 'another'")
    assert TrialRecord.from_json(record).would_crash_again


@pytest.mark.accelerator
def test_a_trial_says_what_memory_it_took_of_which_device(tmp_path, monkeypatch):
    monkeypatch.setenv(devices.BACKEND, devices.accelerators().kind)
    record = trials.run(trials.on_digits(tmp_path, max_global_steps=2))
    assert record["status"] in ("reached", "not_reached"), record["error"]
    assert record["peak_device_memory_bytes"] > record["step_bytes"]["arguments"] > 0
    assert record["devices"] == devices.own()
