"""Trials on a host that was busy: found when an experiment ends, run again, and nothing is lost."""

import dataclasses
import json
from pathlib import Path

import pytest

from algoperf_lite import tuning
from algoperf_lite.experiment import jobs, repeating, run
from algoperf_lite.submission import find
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec

CONFIG = ExperimentConfig("lite", "lite", tuning.Ruleset("self", 3, 1, 1.5), budget_by="steps")


def finish(spec, seconds_of_a_step):
    """Writes what scoring reads of a trial that ended."""
    folder = Path(spec.directory)
    folder.mkdir(parents=True, exist_ok=True)
    assert not (folder / "trial.json").exists(), "a result is overwritten"
    rows = [f"{1.0 + 100 * i * seconds_of_a_step},{100 * i},0.5" for i in range(6)]
    header = "accumulated_submission_time,global_step,validation/accuracy"
    (folder / "eval_measurements.csv").write_text("\n".join([header, *rows, ""]))
    record = {
        "status": "not_reached",
        "metric": "accuracy",
        "timing": "measured",
        "fingerprint": {"key": "k"},
        "submission_sha256": find.source_sha256(Path(spec.submission)),
    }
    (folder / "trial.json").write_text(json.dumps(record))
    return record


@pytest.fixture
def host(monkeypatch):
    """What is called in the place of real trials: {(study, time of running): seconds of a step}."""
    paces, count = {}, {}

    def ran(trials, *arguments):
        for spec in trials:
            count[spec.study] = count.get(spec.study, 0) + 1
            yield spec, finish(spec, paces.get((spec.study, count[spec.study]), 0.01))

    monkeypatch.setattr(jobs, "run", ran)
    return paces


class Idle:
    """An executor that has nothing to do."""

    def run(self, given):
        assert given == []
        return iter(())


class Heard(run.Quiet):
    def __init__(self):
        self.said = []

    def say(self, line):
        self.said.append(line)


def specs(root):
    return [
        TrialSpec(
            submission=str(find.locate("nadamw")),
            workload="digits",
            study=study,
            trial=1,
            directory=str(root / "nadamw" / f"study_{study}" / "digits_jax" / "trial_1"),
            config=CONFIG,
        )
        for study in range(3)
    ]


def _run(root, **limits):
    heard = Heard()
    planned = specs(root)
    run.run(root, CONFIG, [], lambda known: planned, Idle(), heard, jobs.Limits(**limits))
    return heard.said


def _noted(root):
    return json.loads((root / "experiment.json").read_text())["slow_trials"]


def _last_clock(spec, *inside):
    rows = Path(spec.directory, *inside, "eval_measurements.csv").read_text().split()
    return float(rows[-1].split(",")[0])


def test_a_slow_trial_is_said_and_left_alone_unless_repeating_is_wanted(tmp_path, host):
    host[1, 1] = 0.02
    [said] = _run(tmp_path / "out")
    assert said.startswith("nadamw on digits (study 1, trial 1): its steps took 2.0 times as long")
    slow = specs(tmp_path / "out")[1]
    assert _last_clock(slow) == pytest.approx(11.0)
    assert _noted(tmp_path / "out") == {"nadamw/study_1/digits_jax/trial_1": 2.0}
    said = _run(tmp_path / "out", repeat_suspicious=True)  # later is early enough
    assert said[-1] == "running 1 of 3 trials again"
    assert _noted(tmp_path / "out") == {}
    assert _last_clock(slow) == pytest.approx(6.0)
    assert _last_clock(slow, "interrupted_0") == pytest.approx(11.0)
    assert Path(slow.directory, "interrupted_0", "trial.json").is_file()


def test_a_trial_that_stays_slow_is_run_again_once_a_time(tmp_path, host):
    host |= {(2, number): 0.03 for number in (1, 2, 3)}
    for number in range(2):
        said = _run(tmp_path / "out", repeat_suspicious=True)
        assert said[1] == "running 1 of 3 trials again" and said[2] == said[0]
        kept = Path(specs(tmp_path / "out")[2].directory).glob("interrupted_*")
        assert len(list(kept)) == number + 1


def test_a_quiet_host_is_left_alone(tmp_path, host):
    assert _run(tmp_path / "out", repeat_suspicious=True) == []


def test_the_reference_is_compared_with_its_calibration(tmp_path, host):
    for spec in specs(tmp_path):
        finish(spec, 0.02)
    calibration = Calibration(0.01, 600, "single", 1, {}, "k")
    found = repeating.slow_trials(specs(tmp_path), {"digits": calibration})
    assert [ratio for _, ratio in found] == pytest.approx([2.0] * 3)
    assert repeating.slow_trials(specs(tmp_path), {}) == []
    # In parts, it is another program.
    config = dataclasses.replace(CONFIG, microbatches=2)
    cut = [dataclasses.replace(spec, config=config) for spec in specs(tmp_path)]
    assert repeating.slow_trials(cut, {"digits": calibration}) == []


def test_a_search_may_have_several_roots(tmp_path):
    every = [*specs(tmp_path / "2"), *specs(tmp_path / "4")]
    for spec in every:
        finish(spec, 0.03 if spec is every[-1] else 0.01)
    assert [spec for spec, _ in repeating.slow_trials(every, {})] == [every[-1]]


def test_an_experiment_in_which_nothing_ended_has_no_slow_trials(tmp_path):
    assert repeating.slow_trials(specs(tmp_path), {}) == []
