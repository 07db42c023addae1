"""The register of attempts: who may write, as the file says and as machines read it."""

import subprocess
import sys
import time

import pytest

from algoperf_lite.executors.ray import leases


def test_an_attempt_is_over_when_it_is_given_up_or_its_run_ends(tmp_path):
    ours = leases.Register(tmp_path / "out")
    first, other = ours.attempt(3, 0), ours.attempt(4, 0)
    assert first.is_registered() and not first.is_over()
    ours.revoke(first)
    again = ours.attempt(3, 1)
    assert first.is_over() and not again.is_over() and not other.is_over()
    ours.close()
    assert again.is_over() and other.is_over()


def test_another_run_takes_over(tmp_path):
    before = leases.Register(tmp_path).attempt(0, 0)
    later = leases.Register(tmp_path)
    assert not before.is_over()  # it has not begun
    after = later.attempt(0, 0)
    assert before.is_over() and not after.is_over()


def test_what_is_half_written_says_nothing(tmp_path):
    attempt = leases.Register(tmp_path).attempt(1, 0)
    whole = attempt.register.read_text()
    for end in range(len(whole)):
        attempt.register.write_text(whole[:end])
        assert not attempt.is_over()
    attempt.register.write_text(f"{whole}given_up 1.0")  # no end of line yet: may become 1.01
    assert not attempt.is_over()


def test_other_storage_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "_PATIENCE_SECONDS", 0.6)
    attempt = leases.Register(tmp_path).attempt(0, 0)
    attempt.register.write_text("run of another\n")
    assert not attempt.is_registered()
    attempt.register.unlink()
    assert not attempt.is_registered()


def test_a_process_ends_when_its_attempt_is_over(tmp_path):
    ours = leases.Register(tmp_path)
    attempt = ours.attempt(0, 0)
    script = (
        "import pathlib, time\nfrom algoperf_lite.executors.ray import leases\n"
        f"file = pathlib.Path({str(attempt.register)!r})\n"
        f"attempt = leases.Lease(file, {attempt.run!r}, 0, 0)\n"
        "with attempt.watched():\n    print('on', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "on\n"
    ours.revoke(ours.attempt(1, 0))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2.0)
    ours.revoke(attempt)
    began = time.monotonic()
    assert process.wait(10) == 1
    assert time.monotonic() - began < leases.GRACE_SECONDS
    process.stdout.close()
