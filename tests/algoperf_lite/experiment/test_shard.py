"""Shards: parts of an experiment that meet in one output directory."""

import csv
import subprocess
import sys
import threading

import pytest

from algoperf_lite.experiment import directory, options
from algoperf_lite.experiment.directory import Directory
from algoperf_lite.experiment.shard import WHOLE, Shard
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial import logs
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec

FOUND = Calibration(0.1, 300, "single", 70, {"single": 0.1}, "0123")


def _trials(num_submissions, num_studies):
    return [
        TrialSpec(f"submission_{i}", workload, study, 1, f"{i}/{workload}/{study}")
        for study in range(num_studies)
        for workload in ("digits", "wmt")
        for i in range(num_submissions)
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 40])
def test_every_trial_is_in_exactly_one_part_and_parts_are_about_equal(count):
    trials = _trials(num_submissions=5, num_studies=2)
    parts = [Shard(i + 1, count).of(trials) for i in range(count)]
    assert sorted(sum(parts, []), key=trials.index) == trials
    assert all(part == sorted(part, key=trials.index) for part in parts)
    # Groups of five where there are enough of them, or else single trials.
    assert max(map(len, parts)) - min(map(len, parts)) <= (5 if count <= 4 else 1)


def test_what_is_compared_as_a_pair_is_in_one_part():
    for part in (Shard(i, 3).of(_trials(5, 2)) for i in (1, 2, 3)):
        pairs = {(trial.workload, trial.study) for trial in part}
        assert len(part) == 5 * len(pairs)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3", " 1/2", "1/²"])
def test_what_names_no_part_is_refused(text):
    with pytest.raises(ValueError, match="names no part; expected I/N with I from 1 to N"):
        options.Request.of({"submissions": ["nadamw"], "shard": text})


def test_ray_shares_trials_out_itself():
    with pytest.raises(ValueError, match="--shard is for other schedulers"):
        options.check({"shard": "1/2", "executor": "ray"})


@pytest.mark.parametrize(
    ("first", "second", "is_fine"),
    [
        (Shard(1, 2), Shard(2, 2), True),
        (Shard(1, 2), Shard(1, 2), False),
        (Shard(1, 2), Shard(1, 3), False),  # which have trials in common
        (Shard(1, 2), WHOLE, False),
        (WHOLE, Shard(1, 2), False),
        (WHOLE, WHOLE, False),
    ],
)
def test_a_directory_is_shared_by_parts_of_one_division(tmp_path, first, second, is_fine):
    config = ExperimentConfig()
    with Directory(tmp_path, config, first):
        if is_fine:
            with Directory(tmp_path, config, second):
                return
        with pytest.raises(ValueError, match="is in use by another run"):
            Directory(tmp_path, config, second)
    # Whoever has ended, or died, holds nothing any more.
    with Directory(tmp_path, config, second):
        pass


def test_a_part_may_come_while_another_one_writes_the_file(tmp_path, monkeypatch):
    config, read = ExperimentConfig(), directory._read_json
    partial = tmp_path / ".experiment.json.12.tmp"
    partial.write_text("{")  # of somebody who is at it, or was killed

    def late(path):
        """There is no file; when the folder is looked through, there is one."""
        monkeypatch.setattr(directory, "_read_json", read)
        with Directory(tmp_path, config, Shard(1, 2)):
            return None

    monkeypatch.setattr(directory, "_read_json", late)
    with Directory(tmp_path, config, Shard(2, 2)):
        assert (tmp_path / "experiment.json").exists()


def test_parts_go_by_one_calibration_which_the_first_of_them_makes(tmp_path):
    config, said, order = ExperimentConfig(), [], []
    with (
        Directory(tmp_path, config, Shard(1, 2)) as one,
        Directory(tmp_path, config, Shard(2, 2)) as two,
    ):

        def other():
            with two.calibrating(said.append):
                order.append(sorted(two.calibrations()))

        thread = threading.Thread(target=other)
        with one.calibrating(said.append):
            thread.start()
            while not said:  # until the other one has found the lock held
                pass
            one.keep("digits", FOUND)
            order.append("calibrated")
        thread.join()
        two.keep("wmt", FOUND)
        one.keep("ogbg", FOUND)
    assert order == ["calibrated", ["digits"]]
    assert said == ["waiting for another part of this experiment to calibrate"]
    with Directory(tmp_path, config) as whole:
        assert set(whole.calibrations()) == {"digits", "wmt", "ogbg"}


def test_a_part_that_ends_early_leaves_the_directory_to_the_others(tmp_path):
    with Directory(tmp_path / "out", ExperimentConfig(), Shard(1, 2)) as one:
        one.discard()
        assert (tmp_path / "out" / "experiment.json").exists()
    with Directory(tmp_path / "new", ExperimentConfig()) as whole:
        whole.discard()
    assert not (tmp_path / "new").exists()


def _command(output, *flags):
    return [
        *(sys.executable, "-m", "algoperf_lite", "run", "--submissions=nadamw,adamw"),
        *("--workloads=digits", "--tuning_ruleset=self", "--num_studies=2", "--budget_by=steps"),
        *("--max_global_steps=4", "--num_workers=1", f"--output_dir={output}", *flags),
    ]


def _rows(output):
    """{trial: its rows without their seconds}."""
    found = {}
    for path in sorted(output.glob("*/study_*/digits_jax/trial_*/eval_measurements.csv")):
        with path.open() as file:
            rows = [{k: v for k, v in row.items() if "/" in k} for row in csv.DictReader(file)]
        assert logs.read_record(path.parent)["status"] == "not_reached"
        found[str(path.parent.relative_to(output))] = rows
    return found


@pytest.mark.slow
def test_parts_together_are_the_whole(tmp_path):
    """Two at the same time, and two one after the other, of which the first was killed before."""
    both = [
        subprocess.Popen(_command(tmp_path / "both", f"--shard={i}/2"), stdout=subprocess.DEVNULL)
        for i in (1, 2)
    ]
    assert [process.wait(600) for process in both] == [0, 0]
    killed = subprocess.Popen(
        _command(tmp_path / "turns", "--shard=1/2"), stdout=subprocess.PIPE, text=True
    )
    for line in killed.stdout:
        if "start" in line:
            break
    killed.kill()
    killed.communicate()
    for i in (1, 2):
        subprocess.run(_command(tmp_path / "turns", f"--shard={i}/2"), check=True)
    subprocess.run(_command(tmp_path / "whole"), check=True)
    whole = _rows(tmp_path / "whole")
    assert len(whole) == 4
    assert _rows(tmp_path / "both") == whole
    assert _rows(tmp_path / "turns") == whole
