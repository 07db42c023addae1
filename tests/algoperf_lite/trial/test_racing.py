"""Racing trials: who is outrun, by whose word, and what stays of a trial that was."""

import csv
import json
from pathlib import Path

import pytest
import trials

from algoperf_lite.experiment import jobs, plan, progress
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.submission import find
from algoperf_lite.trial import attempts, logs, racing
from algoperf_lite.trial.racing import Best

FILES = Path(__file__).parents[2] / "algoperf_form" / "submissions"


def _record(seconds, steps, **fields):
    known = {"status": "reached", "time_to_target": seconds, "steps_to_target": steps}
    return {**known, "attempts": [{"ended": "reached"}], **fields}


def _beside(folder, trial, record):
    """A trial that has ended, in the folder of a study."""
    (folder / f"trial_{trial}").mkdir(parents=True, exist_ok=True)
    (folder / f"trial_{trial}" / "trial.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("seconds", "steps", "is_outrun"),
    [
        (2.0, 101, True),
        (2.0, 100, False),  # at the step of the best: it may still tie with it
        (1.9, 300, False),  # sooner in seconds
        (9.9, 99, False),  # sooner in steps
        (2.1, 100.5, True),
    ],
)
def test_who_is_behind_in_seconds_and_in_steps_is_outrun(seconds, steps, is_outrun):
    assert Best(2.0, 100).outruns(seconds, steps) == is_outrun


def test_the_best_of_a_study_is_told_by_records_that_somebody_has_looked_at():
    known = [_record(3.0, 90), _record(2.0, 100)]
    assert racing.best(known) == Best(2.0, 90)
    doubtful = [
        _record(0.1, 1, attempts=[]),  # by its own word alone, as its process writes it
        _record(0.1, 1, status="invalid"),
        _record(0.1, 1, status="outrun"),
        _record(None, 1),
        _record(float("nan"), 1),
        _record("0.1", True),
        {},
    ]
    assert racing.best([*doubtful, *known]) == Best(2.0, 90)
    assert racing.best(doubtful) is None and racing.best([]) is None


def test_it_only_ever_gets_better():
    records = [_record(5.0, 50), _record(6.0, 40), _record(4.0, 60), _record(9.0, 90)]
    found = [racing.best(records[: end + 1]) for end in range(len(records))]
    for before, after in zip(found, found[1:], strict=False):
        assert after.seconds <= before.seconds and after.steps <= before.steps


def _rows(spec):
    with (Path(spec.directory) / "eval_measurements.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("form", ["native", "algoperf"])
def test_an_outrun_trial_stops_at_an_evaluation_and_keeps_all_rows_before_it(tmp_path, form):
    submission = {"native": "nadamw", "algoperf": str(FILES / "adamw_cached_jit")}[form]
    fields = {"submission": submission, "max_global_steps": 60}
    study = tmp_path / "study_0" / "digits_jax"
    spec = trials.on_digits(study / "trial_2", trial=2, **fields)
    _beside(study, 1, _record(0.0, 15))
    # Whoever does not race does not look.
    alone = trials.run(trials.on_digits(tmp_path / "alone" / "trial_2", trial=2, **fields))
    assert alone["status"] == "not_reached", alone["traceback"]
    raced = trials.run(spec, race=True)
    assert raced["status"] == "outrun" and raced["error"] is None
    assert [int(row["global_step"]) for row in _rows(spec)] == [1, 8, 15]
    assert raced["steps"] == 22 and raced["time_to_target"] is None
    assert raced["outrun"].items() >= {"steps": 22, "best_seconds": 0.0, "best_steps": 15}.items()
    assert raced["outrun"]["seconds"] > 0 and raced["final"] is not None
    # The log ends with the clock at which it stopped, and is the harness's to the last byte.
    assert logs.tampered(Path(spec.directory), raced["rows_sha256"]) is None
    last = (Path(spec.directory) / "measurements.csv").read_text().splitlines()[-1]
    assert str(raced["outrun"]["seconds"]) in last
    assert "outrun after" in progress.summary(raced)


def test_who_reaches_the_target_at_the_step_of_the_best_ties_with_it(tmp_path):
    study = tmp_path / "study_0" / "digits_jax"
    _beside(study, 1, _record(0.0, 1))
    spec = trials.on_digits(study / "trial_2", trial=2, target=0.0, max_global_steps=30)
    assert trials.run(spec, race=True)["status"] == "reached"


def test_a_population_races_against_nobody(tmp_path):
    study = tmp_path / "study_0" / "digits_jax"
    rules = PopulationConfig.parse("2:ready_interval=8").for_horizon(300)
    spec = trials.on_digits(study / "trial_1", population=rules, max_global_steps=16)
    assert trials.run(spec, race=True)["status"] == "not_reached"


def test_an_outrun_trial_is_finished_while_what_outran_it_is_there(tmp_path):
    study = tmp_path / "study_0" / "digits_jax"
    spec = trials.on_digits(study / "trial_2", trial=2, submission=str(find.locate("nadamw")))
    stop = racing.stop(2.5, 120, Best(2.0, 100))
    record = _record(None, None, status="outrun", outrun=stop, submission_sha256=None, pbt=None)
    _beside(study, 2, record)
    assert plan.unfinished([spec]) == [spec]  # nobody is there
    _beside(study, 1, _record(2.0, 100))
    assert plan.unfinished([spec]) == []
    _beside(study, 1, _record(3.0, 100))  # it was run again, and took longer
    assert plan.unfinished([spec]) == [spec]
    _beside(study, 3, _record(2.5, 119))
    assert plan.unfinished([spec]) == []
    for damaged in (None, {}, {"seconds": 2.5}, {"seconds": "2.5", "steps": 120}):
        _beside(study, 2, {**record, "outrun": damaged})
        assert plan.unfinished([spec]) == [spec]


def test_the_record_of_an_outrun_trial_needs_the_hashes_of_its_rows(tmp_path):
    spec = trials.on_digits(tmp_path / "trial_1")
    attempts.start(Path(spec.directory), 0.0, None)
    result = {"status": "outrun", "ledger": {"setup": 1.0, "wall": 1.0}}
    outcome = jobs.Outcome(result=result, wall=1.0)
    assert jobs.finalize(spec, outcome)["status"] == "invalid"
