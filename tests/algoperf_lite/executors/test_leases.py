"""Leases: who may write, as the file says and as machines read it."""

import subprocess
import sys

import pytest

from algoperf_lite.executors.ray import leases


def test_a_lease_is_over_when_it_is_revoked_or_its_run_ends(tmp_path):
    ours = leases.Leases(tmp_path / "out")
    first, other = ours.grant(3, 0), ours.grant(4, 0)
    assert first.is_visible() and not first.is_over()
    ours.revoke(first)
    again = ours.grant(3, 1)
    assert first.is_over() and not again.is_over() and not other.is_over()
    ours.close()
    assert again.is_over() and other.is_over()


def test_another_run_takes_over(tmp_path):
    before = leases.Leases(tmp_path).grant(0, 0)
    later = leases.Leases(tmp_path)
    assert not before.is_over()  # it has not begun
    after = later.grant(0, 0)
    assert before.is_over() and not after.is_over()


def test_what_is_half_written_says_nothing(tmp_path):
    lease = leases.Leases(tmp_path).grant(1, 0)
    whole = lease.file.read_text()
    for end in range(len(whole)):
        lease.file.write_text(whole[:end])
        assert not lease.is_over()
    lease.file.write_text(f"{whole}given_up 1.0")  # no end of line yet: may become 1.01
    assert not lease.is_over()


def test_other_storage_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "_PATIENCE_SECONDS", 0.6)
    lease = leases.Leases(tmp_path).grant(0, 0)
    lease.file.write_text("run of another\n")
    assert not lease.is_visible()
    lease.file.unlink()
    assert not lease.is_visible()


def test_a_process_ends_when_its_lease_is_over(tmp_path):
    ours = leases.Leases(tmp_path)
    lease = ours.grant(0, 0)
    script = (
        "import pathlib, time\nfrom algoperf_lite.executors.ray import leases\n"
        f"file = pathlib.Path({str(lease.file)!r})\n"
        f"lease = leases.Lease(file, {lease.run!r}, 0, 0)\n"
        "with lease.watched():\n    print('on', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "on\n"
    ours.revoke(ours.grant(1, 0))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2.0)
    ours.revoke(lease)
    assert process.wait(60) == 1
    assert leases._POLL_SECONDS < leases.GRACE_SECONDS  # in which it will have looked
    process.stdout.close()
