"""What the complete experiment takes over of the raced one, and what both took."""

import json

import pytest

from studies.measurements import racing


def _trial(folder, number, status, steps, ledger=0.0, wall=0.0):
    trial = folder / f"nadamw/study_0/digits_jax/trial_{number}"
    trial.mkdir(parents=True)
    record = {"workload": "digits", "status": status, "steps": steps, "attempts": [{"wall": wall}]}
    record["ledger"] = {"init": 0.0, "update_params": ledger, "eval": 100.0}
    (trial / "trial.json").write_text(json.dumps(record))
    rows = "".join(f"{s / 10},{s},{s / 5}\n" for s in range(10, steps + 1, 10))
    header = "accumulated_submission_time,global_step,total_duration\n"
    (trial / "eval_measurements.csv").write_text(header + rows)


@pytest.fixture
def raced(tmp_path):
    for number, status in enumerate(["reached", "outrun", "not_reached"], 1):
        _trial(tmp_path / "raced", number, status, 10)
    return tmp_path / "raced"


def test_all_but_the_trials_that_were_outrun(raced, tmp_path):
    (tmp_path / "complete.partial/left_by_one_that_was_killed").mkdir(parents=True)
    racing._take_over(raced, tmp_path / "complete")
    trials = (tmp_path / "complete").glob("*/study_*/*/trial_*")
    assert sorted(trial.name for trial in trials) == ["trial_1", "trial_3"]
    assert len(list(raced.glob("*/study_*/*/trial_*"))) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"raced", "complete"}


def test_an_outrun_trial_took_what_the_complete_one_had_taken_by_then(tmp_path):
    _trial(tmp_path / "complete", 1, "reached", 30, ledger=3.0, wall=7.0)
    _trial(tmp_path / "complete", 2, "not_reached", 100, ledger=10.0, wall=25.0)
    _trial(tmp_path / "raced", 1, "reached", 30, ledger=9.0, wall=70.0)  # on a busy machine
    _trial(tmp_path / "raced", 2, "outrun", 40, ledger=9.0, wall=70.0)
    found = racing.pairs(tmp_path)
    assert [pair.raced for pair in found] == [
        racing.Amount(steps=30, clock=3.0, wall=7.0),
        racing.Amount(steps=40, clock=4.0, wall=25.0 - 12.0),
    ]
    assert [pair.at_best for pair in found] == [30, 30]
    row = [*racing.table(found, ["digits"])][-1].strip("| ").split(" | ")
    assert row[:5] == ["all", "2", "1", "130 to 70: 1.86x less", "2.17x"]
    assert row[5:] == ["13 to 7: 1.86x less", "32 to 20: 1.60x less"]


def test_where_a_trial_was_outrun_its_complete_one_has_a_row(tmp_path):
    _trial(tmp_path / "complete", 1, "not_reached", 100)
    _trial(tmp_path / "raced", 1, "outrun", 35)
    with pytest.raises(ValueError, match="has no evaluation at step 35"):
        racing.pairs(tmp_path)
