"""What studies have cost: read from what they keep, and never told of what does not say it."""

import json

import pytest

from studies.measurements import costs
from studies.measurements.costs import Process

# 40 and 20 seconds of starting; the second found its programs compiled.
SHARED = [Process("digits", 10, 140.0, 100.0), Process("digits", 5, 70.0, 50.0)]


def test_every_further_run_of_a_process_would_start_once_more():
    assert costs.separately(SHARED) == 140 + 9 * 20 + 70 + 4 * 20
    other = Process("wmt", 3, 31.0, 30.0)
    assert costs.separately([*SHARED, other]) == costs.separately(SHARED) + 31 + 2 * 1
    assert costs.row("uba", SHARED) == "| uba | 15 | 2 | 210 | 470 (2.24x) |"


def test_where_every_run_had_a_process_there_is_nothing_to_compare():
    assert costs.row("board", [Process("wmt", 1, 30.0, 0.0)] * 2) == "| board | 2 | 2 | 60 | - |"


def test_processes_are_read_from_studies_and_from_experiments(tmp_path):
    cell = {"workload": "wmt", "runs": 4, "wall_seconds": 12.5, "training_seconds": 10.0}
    trial = {"workload": "ogbg", "ledger": {"wall": 7.0}}
    (tmp_path / "trial_1").mkdir()
    for name, content in {
        "cell.json": cell,
        "trial_1/trial.json": trial,
        "experiment.json": {"workload": "none of them"},
        "trial_1/hparams.json": {},
        "listed.json": [],
    }.items():
        (tmp_path / name).write_text(json.dumps(content))
    found = list(costs.processes(tmp_path))
    assert found == [Process("wmt", 4, 12.5, 10.0), Process("ogbg", 1, 7.0, 0.0)]


def test_a_folder_without_such_results_is_said(tmp_path):
    (tmp_path / "old.json").write_text('{"values": []}')
    with pytest.raises(ValueError, match="say what they took"):
        list(costs.processes(tmp_path))
