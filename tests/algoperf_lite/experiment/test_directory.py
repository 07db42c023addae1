"""Output directories of the first edition: continued where they mean the same, else refused."""

import dataclasses
import json

import pytest

from algoperf_lite.experiment import directory
from algoperf_lite.experiment.config import GONE
from algoperf_lite.experiment.directory import Directory
from algoperf_lite.trial.config import ExperimentConfig

# As commit 570980d wrote it for `run --submissions=nadamw --workloads=digits
# --tuning_ruleset=self --num_studies=1 --max_global_steps=60`.
FIRST_EDITION = {
    "settings": {
        "benchmark": "lite",
        "scale": "lite",
        "ruleset": {"name": "self", "num_trials": 1, "slack": 1.5},
        "rng_seed": 0,
        "budget_by": "time",
        "max_global_steps": 60,
        "stop_at_target": True,
        "count_compile": False,
        "use_installed_algoperf": False,
        "num_evals": 40,
        "cores_per_trial": 1,
        "vectorize": "none",
    },
    "calibration": {
        "digits": {
            "seconds_per_step": 0.0043,
            "step_hint": 300,
            "mode": "single",
            "steps_per_dispatch": 70,
            "seconds_by_mode": {"single": 0.0043, "loop": 0.108},
            "key": "0123456789ab",
        }
    },
}


@pytest.fixture
def config():
    rules = dataclasses.replace(ExperimentConfig.ruleset, name="self", num_trials=1, slack=1.5)
    return ExperimentConfig("lite_v1", ruleset=rules, max_global_steps=60)


def _written(path, **changes):
    content = {**FIRST_EDITION, "settings": {**FIRST_EDITION["settings"], **changes}}
    (path / directory.FILE).write_text(json.dumps(content))


def test_a_directory_of_the_first_edition_is_continued(tmp_path, config):
    _written(tmp_path)
    with Directory(tmp_path, config) as found:
        assert found.calibrations()["digits"].steps_per_dispatch == 70
    # It is of this edition now.
    kept = json.loads((tmp_path / directory.FILE).read_text())["settings"]
    assert not set(GONE) & set(kept)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_evals": 50}, "was run with num_evals=50, which `run` has no more"),
        ({"use_installed_algoperf": True}, "was run with use_installed_algoperf=True"),
        ({"max_global_steps": 61}, "max_global_steps is 61 there and 60 here"),
    ],
)
def test_one_that_means_something_else_is_refused(tmp_path, config, changes, sentence):
    _written(tmp_path, **changes)
    before = (tmp_path / directory.FILE).read_bytes()
    with pytest.raises(ValueError, match=sentence):
        Directory(tmp_path, config)
    assert (tmp_path / directory.FILE).read_bytes() == before
    found = {"it": tmp_path}  # it is scored as ever
    assert (directory.own_benchmark(found), directory.own_ruleset(found)) == ("lite_v1", "self")


def test_a_file_is_no_directory(tmp_path, config):
    path = tmp_path / "notes"
    path.write_text("mine")
    with pytest.raises(ValueError, match="cannot be used .Not a directory.; choose another"):
        Directory(path, config)
    assert path.read_text() == "mine"
