"""Log directories: AlgoPerf's columns, complete lines, nothing overwritten."""

import csv
import json

import pytest

from algoperf_lite.storage import atomic
from algoperf_lite.trial import logs as trial_logs

ROW = {"global_step": 1, "score": 0.5, "validation/accuracy": 0.25, "validation/num_examples": 4}


def test_rows_have_algoperfs_columns_sorted_and_blanks_for_what_was_not_measured(tmp_path):
    logs = trial_logs.TrialLogs(tmp_path / "t", ["accuracy", "loss"])
    logs.write_eval(ROW, training_loss=2.0)
    logs.write_score(0.75, 10)
    with (tmp_path / "t" / "eval_measurements.csv").open() as file:
        reader = csv.DictReader(file)
        (row,) = reader
    assert reader.fieldnames == sorted(reader.fieldnames)
    assert {
        "accumulated_eval_time",
        "accumulated_logging_time",
        "accumulated_submission_time",
        "global_step",
        "preemption_count",
        "score",
        "test/accuracy",
        "test/num_examples",
        "total_duration",
        "train/loss",
        "validation/accuracy",
    } <= set(reader.fieldnames)
    assert (row["validation/accuracy"], row["test/accuracy"]) == ("0.25", "")
    with (tmp_path / "t" / "measurements.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["loss"], rows[-1]["score"], rows[-1]["loss"]) == ("2.0", "0.75", "")


def test_every_append_ends_its_line(tmp_path):
    logs = trial_logs.TrialLogs(tmp_path, ["accuracy"])
    for _ in range(3):
        logs.write_eval(ROW, 0.0)
        assert (tmp_path / "eval_measurements.csv").read_bytes().endswith(b"\n")


def test_json_is_replaced_whole_and_knows_no_nan(tmp_path):
    path = tmp_path / "trial.json"
    atomic.write_json(path, {"status": "reached", "best": float("nan"), "all": (1, 2)})
    assert json.loads(path.read_text()) == {"status": "reached", "best": None, "all": [1, 2]}
    with pytest.raises(TypeError):
        atomic.write_json(path, {"bad": object()})
    assert json.loads(path.read_text())["status"] == "reached"


def test_only_a_whole_record_with_a_status_counts_as_finished(tmp_path):
    path = tmp_path / "trial.json"
    assert trial_logs.read_record(tmp_path) is None
    path.write_text('{"status": "rea')
    assert trial_logs.read_record(tmp_path) is None
    path.write_text('{"status": "running"}')
    assert trial_logs.read_record(tmp_path) is None
    path.write_text('{"status": "diverged"}')
    assert trial_logs.read_record(tmp_path) == {"status": "diverged"}


def test_interrupted_attempts_are_kept(tmp_path):
    trial_logs.set_aside(tmp_path / "absent")
    for attempt in range(2):
        (tmp_path / "eval_measurements.csv").write_text(str(attempt))
        trial_logs.set_aside(tmp_path)
        assert not (tmp_path / "eval_measurements.csv").exists()
    kept = [tmp_path / f"interrupted_{k}" / "eval_measurements.csv" for k in range(2)]
    assert [path.read_text() for path in kept] == ["0", "1"]
