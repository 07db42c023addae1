"""Schedules whose parameters are searched: trials alone, together, in populations, after a cut."""

import csv
import json
from pathlib import Path

import pytest
import trials

from algoperf_lite import tuning
from algoperf_lite.experiment import preflight
from algoperf_lite.experiment.contenders import contenders
from algoperf_lite.experiment.records import record_checks
from algoperf_lite.experiment.records.case import Case
from algoperf_lite.experiment.sources import Source
from algoperf_lite.population import lineage
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.schedules import text
from algoperf_lite.submission import find, native
from algoperf_lite.trial import vectorized
from algoperf_lite.trial.config import ExperimentConfig

EXTERNAL = tuning.Ruleset("external", 1, 3, 1.0)
SCHEDULE = "uba:phi=search:warmup=search"
NAMES = {"schedule_phi", "schedule_warmup"}


def _spec(directory, **fields):
    defaults = {"ruleset": EXTERNAL, "schedule": SCHEDULE, "max_global_steps": 20}
    return trials.on_digits(directory, **{**defaults, "budget": 0.05, **fields})


def _rows(spec, name="eval_measurements.csv"):
    with (Path(spec.directory) / name).open() as file:
        return list(csv.DictReader(file))


def _curves(spec):
    """All that a log says but for its times."""
    kept = ("global_step", "learning_rate", "loss")
    return [
        {key: value for key, value in row.items() if "/" in key or key in kept}
        for row in _rows(spec, "measurements.csv")
    ]


def test_the_submissions_own_values_are_those_that_it_has_on_its_own_schedule():
    entry, named = native.load("nadamw"), text.parse(SCHEDULE)
    for trial in (1, 2, 3):
        own = entry.point(EXTERNAL, 0, 0, trial)
        point = entry.on_schedule(named).point(EXTERNAL, 0, 0, trial)
        assert {name: point[name] for name in own} == own
        assert point.keys() - own.keys() == NAMES
        assert 0.25 <= point["schedule_phi"] <= 10 and 0.01 <= point["schedule_warmup"] <= 0.2


@pytest.mark.slow
def test_a_trial_follows_the_schedule_that_its_point_says(tmp_path):
    spec = _spec(tmp_path, trial=2)
    record = trials.run(spec)
    assert record["status"] == "not_reached", record["error"]
    point = record["hyperparameters"]
    assert point.keys() >= NAMES and record["schedule"] == SCHEDULE
    fixed = f"uba:phi={point['schedule_phi']!r}:warmup={point['schedule_warmup']!r}"
    schedule = text.parse(fixed).build(0.75 * 30, point["learning_rate"])
    for row in _rows(spec):
        expected = float(schedule(int(row["global_step"]) - 1))
        assert float(row["learning_rate"]) == pytest.approx(expected, rel=1e-4)
    # The same numbers in the text of the schedule train the same model, but for rounding.
    again = trials.run(_spec(tmp_path / "fixed", trial=2, schedule=fixed))
    assert again["hyperparameters"].keys() == point.keys() - NAMES
    assert again["final"] == pytest.approx(record["final"], rel=1e-3)


@pytest.mark.slow
def test_trials_together_are_the_trials_alone_in_one_program(tmp_path):
    specs = [_spec(tmp_path / f"together/trial_{n}", trial=n) for n in (1, 2, 3)]
    records = [record.to_json() for record in vectorized.run(specs)]
    assert [record["population"]["members"] for record in records] == [3, 3, 3]
    assert len({record["hyperparameters"]["schedule_phi"] for record in records}) == 3
    for spec, record in zip(specs, records, strict=True):
        alone = _spec(tmp_path / f"alone/trial_{spec.trial}", trial=spec.trial)
        expected = trials.run(alone)
        assert record["hyperparameters"] == expected["hyperparameters"]
        assert record["final"] == expected["final"]
        assert [row["learning_rate"] for row in _rows(spec)] == [
            row["learning_rate"] for row in _rows(alone)
        ]


@pytest.mark.slow
def test_a_trial_that_was_cut_short_goes_on_at_its_point(tmp_path, monkeypatch):
    whole, cut = _spec(tmp_path / "whole"), _spec(tmp_path / "cut")
    expected = trials.run(whole)
    with trials.cut_after(monkeypatch, 10):
        trials.run(cut, checkpoint_share=1.0)
    record = trials.run(cut, checkpoint_share=1.0)
    assert record["preemption_count"] == 1
    assert record["hyperparameters"] == expected["hyperparameters"]
    assert (record["final"], _curves(cut)) == (expected["final"], _curves(whole))


@pytest.mark.slow
def test_a_population_evolves_them_and_goes_on_after_a_cut(tmp_path, monkeypatch):
    rules = {"population": PopulationConfig(4, 5), "max_global_steps": 18}
    whole, cut = _spec(tmp_path / "whole", **rules), _spec(tmp_path / "cut", **rules)
    expected = trials.run(whole)
    assert expected["status"] == "not_reached", expected["error"]
    generations = lineage.read(Path(whole.directory) / lineage.FILE)
    first = {point["schedule_phi"] for point in generations[0].points}
    later = {point["schedule_phi"] for last in generations[1:] for point in last.points}
    assert len(first) == 4 and later - first
    assert all(0.25 <= phi <= 10 for phi in later)
    own = native.load("nadamw").search_space
    drawn = tuning.point(own, 4, whole.seed, 0, 1)
    member = generations[0].points[0]
    assert {name: member[name] for name in own} | {"horizon": 0.75} == drawn | {"horizon": 0.75}
    with trials.cut_after(monkeypatch, 12):
        trials.run(cut, checkpoint_share=1.0)
    record = trials.run(cut, checkpoint_share=1.0)
    assert record["preemption_count"] == 1
    assert record["hyperparameters"] == expected["hyperparameters"]
    files = [Path(spec.directory) / lineage.FILE for spec in (whole, cut)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert _curves(cut) == _curves(whole)


def test_verification_finds_the_point_of_a_place(tmp_path):
    spec = _spec(tmp_path)
    record = trials.run(spec)
    path = find.locate("nadamw")
    source = Source("nadamw", path, find.source_sha256(path))

    def problems(hyperparameters):
        written = {**record, "hyperparameters": hyperparameters}
        (tmp_path / "trial.json").write_text(json.dumps(written))
        case = Case(tmp_path, "", spec.submission_name, 0, "digits_jax", 1, {})
        return list(record_checks.point(source, case))

    assert problems(record["hyperparameters"]) == []
    [(kind, what)] = problems({**record["hyperparameters"], "schedule_phi": 2.0})
    assert kind == "terms" and what.startswith("it ran at")


def _problem(ruleset, population=None, submission="nadamw"):
    """What the command says of a search before anything runs; None for nothing."""
    found = contenders([submission], ["uba:phi=search"], None, population)
    config = ExperimentConfig(ruleset=tuning.Ruleset(ruleset, 1, 2, 1.0))
    try:
        preflight.check(found, config)
    except ValueError as error:
        return str(error)
    return None


def test_who_does_not_search_is_told_in_one_sentence(tmp_path):
    said = _problem("self")
    assert said.startswith(
        "--schedules=uba:phi=search leaves a parameter to be searched, but under"
    )
    assert "\n" not in said
    assert _problem("external") is None
    assert _problem("self", PopulationConfig(4)) is None  # its members search under any ruleset
    file = tmp_path / "mine.py"
    optimizer = "def optimizer(workload, hyperparameters, learning_rate): pass\n"
    file.write_text(f"search_space = [{{'learning_rate': r}} for r in (1, 2)]\n{optimizer}")
    assert _problem("external", submission=str(file)) is None  # computed: its trials will say so
    file.write_text(f"search_space = [{{'learning_rate': 1}}, {{'learning_rate': 2}}]\n{optimizer}")
    assert "has a list of points as search_space" in _problem("external", submission=str(file))
    file.write_text(f"search_space = {{'schedule_phi': {{'feasible_points': [1]}}}}\n{optimizer}")
    assert "has a hyperparameter 'schedule_phi'" in _problem("external", submission=str(file))


def test_the_name_of_the_contender_says_what_is_searched():
    [one] = contenders(["nadamw"], ["uba:phi=search"], [0.5])
    assert one.name == "nadamw+uba(phi=search)@0.5"
    assert one.searched == {"schedule_phi": {"min": 0.25, "max": 10.0, "scaling": "log"}}
    assert (
        contenders(["nadamw"], ["cosine"])[0].searched == contenders(["nadamw"])[0].searched == {}
    )
