"""A disk that fills up: the command stops with one sentence, harms nothing and continues later."""

import csv
import dataclasses
import errno
import json
import os
import shutil
import subprocess
import sys

import calibrated
import numpy as np
import pytest

from algoperf_lite import tuning
from algoperf_lite.executors import job
from algoperf_lite.experiment import jobs
from algoperf_lite.storage import atomic
from algoperf_lite.trial import checkpoints, run
from algoperf_lite.trial import logs as trial_logs
from algoperf_lite.trial import vectorized as together
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec

CLI = [sys.executable, "-m", "algoperf_lite"]
KIB, MIB = 2**10, 2**20


@pytest.fixture
def disk(tmp_path):
    """A folder on a disk of 16 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def _fill(folder, left):
    """A filler that leaves so many bytes."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        file.write(bytes(shutil.disk_usage(folder).free - left))
    return filler


def _command(output, *submissions):
    return [
        *(*CLI, "run", f"--submissions={','.join(submissions)}", *calibrated.FLAGS),
        *("--num_workers=1", "--checkpoint_share=1", f"--output_dir={output}"),
    ]


def _run(*arguments):
    return subprocess.run(_command(*arguments), capture_output=True, text=True, timeout=300)


def _trial(output, name):
    return output / name / "study_0" / "digits_jax" / "trial_1"


def _metrics(directory):
    with (directory / "eval_measurements.csv").open() as file:
        return [{k: v for k, v in row.items() if "/" in k} for row in csv.DictReader(file)]


def _content(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


@pytest.mark.slow
def test_a_full_disk_stops_the_command_and_later_it_continues(disk, tmp_path):
    output = disk / "out"
    for folder in (output, tmp_path / "whole"):
        calibrated.prepare(folder)
    assert _run(tmp_path / "whole", "adamw_wsd").returncode == 0
    assert _run(output, "nesterov").returncode == 0
    before = _content(_trial(output, "nesterov"))
    for left in (0, 24 * KIB):  # nothing, and enough for some rows
        filler = _fill(disk, left)
        full = _run(output, "nesterov", "adamw_wsd")
        assert full.returncode == 1, full.stdout + full.stderr
        assert full.stderr.count("\n") == 1 and "Traceback" not in full.stdout
        assert "no room" in full.stderr and "the same command continues" in full.stderr
        assert _content(_trial(output, "nesterov")) == before
        assert json.loads((output / "experiment.json").read_text())["calibration"]
        assert trial_logs.read_record(_trial(output, "adamw_wsd")) is None
        assert not list(output.rglob("*.tmp"))
        filler.unlink()
    done = _run(output, "nesterov", "adamw_wsd")
    assert done.returncode == 0, done.stderr
    assert _content(_trial(output, "nesterov")) == before
    record, curve = (f(_trial(output, "adamw_wsd")) for f in (trial_logs.read_record, _metrics))
    assert curve == _metrics(_trial(tmp_path / "whole", "adamw_wsd"))
    assert record["status"] == "not_reached"
    assert [end["ended"] for end in record["attempts"]] == ["not_reached"]


def _spec(directory, **fields):
    rules = tuning.Ruleset("self", 1, 1, 1.5)
    spec = TrialSpec("nesterov", "digits", 0, 1, str(directory), ExperimentConfig(ruleset=rules))
    return dataclasses.replace(spec, budget=80 / 300, max_global_steps=12, **fields)


def _ignore(**event):
    pass


@pytest.mark.slow
def test_however_much_is_left_the_trial_is_the_same_in_the_end(disk, tmp_path):
    whole = _spec(tmp_path / "whole")
    run.run(whole)
    spec, ends = _spec(disk / "trial_1"), set()
    for left in [*range(0, 20 * KIB, 4 * KIB), 4 * MIB]:
        filler = _fill(disk, left)
        result = run.recorded(spec, _ignore, checkpoint_share=1.0)
        ends.add("disk_full" in result)
        filler.unlink()
    assert ends == {True, False}
    assert _metrics(disk / "trial_1") == _metrics(tmp_path / "whole")
    assert trial_logs.tampered(disk / "trial_1", result["rows_sha256"]) is None
    assert result["preemption_count"] == 4  # the first attempt could not even be written down


@pytest.mark.slow
def test_where_only_checkpoints_have_no_room_the_trial_goes_on_and_says_so(disk, capsys):
    filler = _fill(disk, 200 * KIB)
    spec = _spec(disk / "trial_1")
    result = run.recorded(spec, _ignore, checkpoint_share=1.0)
    filler.unlink()
    assert result["status"] == "not_reached"
    said = capsys.readouterr().out
    assert said.count("no checkpoint after step ") == 3 and "to logs" in said
    assert not list(checkpoints.found(disk / "trial_1"))


def test_a_checkpoint_that_does_not_fit_after_all_leaves_those_before(disk, monkeypatch):
    """Room may go while it is written, and a quota is not seen before."""
    noise = np.random.default_rng(0).integers(0, 256, 2 * MIB, np.uint8)
    checkpoints.save(disk, 1, [noise], {})
    _fill(disk, MIB)
    monkeypatch.setattr(checkpoints, "_check_room", lambda *_: None)
    with pytest.raises(OSError):
        checkpoints.save(disk, 2, [noise], {})
    (kept,) = checkpoints.found(disk)
    assert kept.step == 1 and kept.read()[1][0].tobytes() == noise.tobytes()
    assert [path.name for path in (disk / checkpoints.FOLDER).iterdir()] == ["1"]
    assert shutil.disk_usage(disk).free > MIB / 2


@pytest.mark.slow
def test_trials_that_train_together_stop_as_well(disk):
    specs = [_spec(disk / name) for name in ("trial_1", "trial_2")]
    payload = {
        "specs": [json.loads(json.dumps(dataclasses.asdict(spec))) for spec in specs],
        **{"started": None, "num_processes": 1},
    }
    filler = _fill(disk, 12 * KIB)
    result = together.work(payload, _ignore)
    assert "No space left" in result["disk_full"]
    filler.unlink()
    assert not list(disk.glob("*/trial.json"))


def test_a_record_that_could_not_be_judged_is_none(tmp_path, monkeypatch):
    """The trial's process had room for its record, and then there was none."""
    logs = trial_logs.TrialLogs(tmp_path, ["loss"])
    spec = _spec(tmp_path)
    ledger = {"update_params": 4.0, "setup": 1.0, "wall": 5.0}
    record = {"status": "reached", "ledger": ledger, "rows_sha256": logs.sha256}
    atomic.write_json(tmp_path / "trial.json", record)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic, "write_json", full)
    with pytest.raises(OSError):
        jobs.finalize(spec, job.Outcome(dict(record), wall=9.0))
    assert trial_logs.read_record(tmp_path) is None


def test_a_library_that_hides_the_errors_number_is_understood():
    assert atomic.is_full(RuntimeError("INTERNAL: OSError: [Errno 28] No space left on device"))
    assert atomic.is_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert not atomic.is_full(OSError(errno.EACCES, "Permission denied"))
