"""What the complete experiment takes over of the raced one."""

import json

import pytest

from studies.measurements import racing


@pytest.fixture
def raced(tmp_path):
    for number, status in enumerate(["reached", "outrun", "not_reached"], 1):
        trial = tmp_path / f"raced/nadamw/study_0/digits_jax/trial_{number}"
        trial.mkdir(parents=True)
        (trial / "trial.json").write_text(json.dumps({"status": status}))
    return tmp_path / "raced"


def test_all_but_the_trials_that_were_outrun(raced, tmp_path):
    (tmp_path / "complete.partial/left_by_one_that_was_killed").mkdir(parents=True)
    racing._take_over(raced, tmp_path / "complete")
    trials = (tmp_path / "complete").glob("*/study_*/*/trial_*")
    assert sorted(trial.name for trial in trials) == ["trial_1", "trial_3"]
    assert len(list(raced.glob("*/study_*/*/trial_*"))) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"raced", "complete"}
