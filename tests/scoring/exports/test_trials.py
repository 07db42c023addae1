"""What an export reads of a tree: every column, the point, how it ended, and nothing else."""

import json

import numpy as np
import pytest
from export_trees import POINT, ROWS, scalars, write_tree, write_trial

from scoring.exports.trials import read_trials


def points(trial):
    return {
        series.name: list(zip(series.steps.tolist(), series.seconds, series.values, strict=True))
        for series in trial.series
    }


def test_every_column_is_there_with_steps_and_seconds(tmp_path):
    by_name = {trial.name: trial for trial in read_trials(write_tree(tmp_path / "logs"))}
    assert points(by_name["one/toy/study_0/trial_1"]) == scalars()
    assert points(by_name["one/toy/study_0/trial_2"]) == scalars(ROWS[:1])


def test_a_trial_that_runs_has_its_whole_rows_and_its_point(tmp_path):
    by_name = {trial.name: trial for trial in read_trials(write_tree(tmp_path / "logs"))}
    trial = by_name["one/other/study_1/trial_1"]
    assert trial.status == "unfinished"
    assert points(trial) == scalars(ROWS[:2])
    assert trial.hyperparameters == {k: v for k, v in POINT.items() if v is not None}


def test_logs_of_others_have_no_status_and_may_lack_the_clock(tmp_path):
    folder = tmp_path / "s" / "study_0" / "wmt_pytorch" / "trial_3"
    folder.mkdir(parents=True)
    (folder / "eval_measurements.csv").write_text("global_step,validation/bleu\n10,1.5\n,2\n")
    (trial,) = read_trials(tmp_path)
    assert (trial.status, trial.tags["framework"]) == ("unknown", "pytorch")
    (series,) = trial.series
    assert series.steps.tolist() == [10] and series.values.tolist() == [1.5]
    assert np.isnan(series.seconds).all()


@pytest.mark.parametrize("content", ["", "x", "[1]", '{"status": "splendid"}', "[" * 10**5])
def test_damaged_files_are_as_absent_ones(tmp_path, content):
    folder = tmp_path / "s" / "study_0" / "toy_jax" / "trial_1"
    write_trial(folder)
    for name in ("trial.json", "hparams.json", "measurements.csv"):
        (folder / name).write_text(content)
    (folder / "eval_measurements.csv").write_bytes(b"\xff\x00,global_step\n1,2\n1e99,1e99\n")
    (trial,) = read_trials(tmp_path)
    assert trial.status == "unknown"
    assert [series.steps.tolist() for series in trial.series] == [[2]]


def test_values_that_no_table_holds_are_text_or_left_out(tmp_path):
    point = {"huge": 10**40, "list": [1, 2], "nan": float("nan"), "deep": {"a": {"b": 1}}}
    folder = tmp_path / "s" / "study_0" / "toy_jax" / "trial_1"
    write_trial(folder, {"status": "reached", "hyperparameters": point, "steps": True})
    (trial,) = read_trials(tmp_path)
    assert trial.hyperparameters == {"huge": str(10**40), "list": "[1, 2]", "deep.a.b": 1}
    json.dumps(dict(trial.facts), allow_nan=False)


def test_a_tree_without_trials_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no readable trial"):
        read_trials(tmp_path)
