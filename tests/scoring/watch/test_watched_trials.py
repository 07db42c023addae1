"""Trials while they run: what is told of them, and that only what changed is read again."""

import json
import math

import pytest
from running_trees import add_row, end, write_experiment, write_running

from scoring.watch import trials
from scoring.watch.trials import Tree


def test_a_running_trial_is_told_by_its_files(tmp_path):
    folder = write_running(tmp_path, rows=6)
    tree = Tree(tmp_path)
    changed, gone = tree.poll()
    assert (changed, gone) == ([str(folder.relative_to(tmp_path))], [])
    found = tree.trials[changed[0]]
    assert (found.status, found.step, found.horizon) == ("unfinished", 50, 200)
    assert found.progress == 0.25  # by the flags of the last attempt
    told = found.to_json()
    assert (told["metric"], told["target"], told["lower"]) == ("accuracy", 0.9, False)
    assert told["steps"] == [0, 10, 20, 30, 40, 50] and len(told["values"]) == 6
    assert told["best"] == max(told["values"]) and told["ledger"] is None


def test_only_what_changed_is_read_again(tmp_path, monkeypatch):
    folders = [write_running(tmp_path, trial=trial) for trial in (1, 2, 3)]
    tree = Tree(tmp_path)
    assert len(tree.poll()[0]) == 3
    read = []
    monkeypatch.setattr(trials, "_read", lambda *a, real=trials._read: read.append(a) or real(*a))
    assert tree.poll() == ([], []) and read == []
    add_row(folders[1])
    (path,) = tree.poll()[0]
    assert path.endswith("trial_2") and len(read) == 1
    assert tree.trials[path].to_json()["steps"][-1] == 110
    end(folders[2], status="reached")
    (path,) = tree.poll()[0]
    told = tree.trials[path].to_json()
    assert told["status"] == "reached" and told["ledger"]["eval"] == 1.0 and told["wall"] == 10.0


def test_a_trial_that_is_gone_is_told(tmp_path):
    folder = write_running(tmp_path)
    write_running(tmp_path, trial=2)
    tree = Tree(tmp_path)
    tree.poll()
    folder.rename(tmp_path.parent / "elsewhere")
    assert tree.poll() == ([], [str(folder.relative_to(tmp_path))])
    assert len(tree.trials) == 1


def test_a_directory_may_come_later(tmp_path):
    tree = Tree(tmp_path / "later")
    assert tree.poll() == ([], []) and tree.num_trials is None
    write_experiment(tmp_path / "later")
    write_running(tmp_path / "later")
    assert len(tree.poll()[0]) == 1 and tree.num_trials == 6


@pytest.mark.parametrize("name", ["flags_1.json", "meta_data_0.json", "trial.json", "hparams.json"])
@pytest.mark.parametrize("content", ["", "[]", '{"target": "x", "metric": 1}', "[" * 10**5])
def test_damaged_files_are_as_absent_ones(tmp_path, name, content):
    folder = write_running(tmp_path)
    (folder / name).write_text(content)
    tree = Tree(tmp_path)
    (path,) = tree.poll()[0]
    told = json.loads(json.dumps(tree.trials[path].to_json(), allow_nan=False))
    assert told["status"] == "unfinished" and told["metric"] == "accuracy"


def test_a_trial_without_a_row_is_one_that_starts(tmp_path):
    folder = write_running(tmp_path, rows=0)
    (folder / "flags_1.json").write_text(json.dumps({"target": None, "max_global_steps": None}))
    tree = Tree(tmp_path)
    (path,) = tree.poll()[0]
    found = tree.trials[path]
    assert (found.step, found.progress, found.horizon) == (0, 0.0, None)
    assert math.isnan(found.target.value) and found.to_json()["target"] is None
    (folder / "eval_measurements.csv").unlink()
    tree.poll()
    assert tree.trials[path].to_json()["steps"] == []


def test_progress_is_by_seconds_where_they_run_out_first(tmp_path):
    folder = write_running(tmp_path)
    flags = {"max_global_steps": 10**6, "max_seconds": 20.0}
    (folder / "flags_2.json").write_text(json.dumps(flags))
    tree = Tree(tmp_path)
    (path,) = tree.poll()[0]
    assert tree.trials[path].progress == pytest.approx(10 / 7 * 10 / 20)
