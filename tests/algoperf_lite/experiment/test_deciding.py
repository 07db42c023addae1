"""Studies that are added until pairs are decided: who runs how often, and that it goes on."""

import csv
import dataclasses
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from algoperf_lite import tuning
from algoperf_lite.experiment import deciding
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.experiment.deciding import Deciding
from algoperf_lite.experiment.options import Request
from algoperf_lite.experiment.plan import Experiment
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial.config import ExperimentConfig
from scoring import benchmark
from scoring.stats.sequential import ALIKE, FASTER, OPEN, SLOWER

WORKLOADS = ("digits", "wmt", "ogbg", "fastmri")
CALIBRATIONS = dict.fromkeys(WORKLOADS, Calibration(1e-3, 1000, "single", 16, {"single": 1e-3}, ""))


class Games:
    """Rounds whose trials take made-up times: the first two submissions the same on average, the
    third so many times as long."""

    def __init__(self, factor=1.5, noise=0.03):
        self.factor, self.noise = factor, noise
        self.rounds, self.ran, self.die_after = [], Counter(), math.inf

    def __call__(self, experiment):
        ruleset = experiment.config.ruleset
        names = [one.name for one in experiment.contenders]
        self.rounds.append((ruleset.num_studies, names))
        trials = experiment.plan(CALIBRATIONS)
        for trial in trials:
            if not Path(trial.directory, "trial.json").exists():
                if sum(self.ran.values()) >= self.die_after:
                    raise KeyboardInterrupt
                self.ran[trial.submission_name] += 1
                self.play(trial)
        return trials

    def play(self, trial):
        place = (WORKLOADS.index(trial.workload), trial.study, trial.trial)
        seed = [*place, *trial.submission_name.encode()]
        log = self.noise * np.random.default_rng(seed).standard_normal()
        seconds = 10.0 * math.exp(log) * (self.factor if trial.submission_name == "c" else 1.0)
        target = benchmark.load("lite").workloads[trial.workload]
        folder = Path(trial.directory)
        folder.mkdir(parents=True)
        with (folder / "eval_measurements.csv").open("w") as file:
            rows = csv.writer(file)
            column = f"validation/{target.metric}"
            rows.writerow(["global_step", "accumulated_submission_time", "score", column])
            rows.writerow([int(100 * seconds), seconds, seconds, target.value])
        record = {"status": "reached", "attempts": [{"wall": 2.0}]}
        (folder / "trial.json").write_text(json.dumps(record))


@pytest.fixture
def experiment(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.py").write_text(
            "def optimizer(workload, hyperparameters):\n    pass\n"
        )
    goal = benchmark.load("lite")
    return Experiment(
        tmp_path / "out",
        ExperimentConfig(ruleset=tuning.Ruleset("external", 3, 2, 1.0), budget_by="steps"),
        tuple(Contender(str(tmp_path / f"{name}.py")) for name in "abc"),
        WORKLOADS,
        {name: goal.workloads[name].value for name in WORKLOADS},
        goal,
    )


def _run(experiment, games, most=15):
    said = []
    trials, found = deciding.run(experiment, Deciding(("a", "b", "c"), most), games, said.append)
    return trials, {one.first + one.second: one for one in found}, said


def test_rounds_end_for_each_submission_when_its_pairs_are_decided(experiment):
    games = Games()
    trials, found, said = _run(experiment, games)
    assert [found[pair].verdict for pair in ("ab", "ac", "bc")] == [ALIKE, FASTER, FASTER]
    assert games.rounds[0] == (2, ["a", "b", "c"])
    assert [count for count, _ in games.rounds] == list(range(2, 2 + len(games.rounds)))
    # The slow one is told apart long before the equal ones are known to be equal.
    last = max(found["ac"].num_studies, found["bc"].num_studies)
    assert last < found["ab"].num_studies < 15
    assert {tuple(names) for count, names in games.rounds if count > last} == {("a", "b")}
    studies = {name: games.ran[name] / len(WORKLOADS) / 2 for name in "abc"}
    assert studies == {"a": found["ab"].num_studies, "b": found["ab"].num_studies, "c": last}
    assert len(trials) == games.ran.total() == len({one.directory for one in trials})
    assert [line for line in said if "a is faster than c: 1." in line]
    run = int(sum(studies.values()))
    assert said[-1].startswith(f"{run} of 45 studies were run, in {2 * games.ran.total()} s")
    assert said[-1].endswith("% saved") and len(said) == 4


def test_the_same_command_finds_the_same_decisions_and_runs_nothing_again(experiment):
    games = Games()
    trials, found, said = _run(experiment, games)
    again = Games()
    trials_again, found_again, said_again = _run(experiment, again)
    assert (found_again, again.ran.total()) == (found, 0)
    assert sorted(map(str, trials_again)) == sorted(map(str, trials))
    assert sorted(said_again) == sorted(said)


@pytest.mark.parametrize("die_after", [1, 5, 37, 60])
def test_an_interrupted_experiment_goes_on_to_the_same_end(experiment, die_after):
    games = Games()
    games.die_after = die_after
    with pytest.raises(KeyboardInterrupt):
        _run(experiment, games)
    rest = Games()
    trials, found, _ = _run(experiment, rest)
    other = dataclasses.replace(experiment, directory=experiment.directory.parent / "other")
    whole = Games()
    assert found == _run(other, whole)[1]
    assert rest.ran.total() + die_after == whole.ran.total() == len(trials)


def test_studies_that_are_there_already_are_looked_at_one_by_one(experiment):
    ruleset = dataclasses.replace(experiment.config.ruleset, num_studies=5)
    config = dataclasses.replace(experiment.config, ruleset=ruleset)
    Games()(dataclasses.replace(experiment, config=config))
    games = Games()
    _, found, _ = _run(experiment, games)
    other = dataclasses.replace(experiment, directory=experiment.directory.parent / "other")
    assert found == _run(other, Games())[1]
    assert found["ac"].num_studies <= 5 < games.rounds[-1][0]


def test_it_ends_at_the_maximum_and_says_what_is_not_decided(experiment):
    games = Games(factor=1.02, noise=0.2)
    _, found, said = _run(experiment, games, most=4)
    assert {one.verdict for one in found.values()} == {OPEN}
    assert [count for count, _ in games.rounds] == [2, 3, 4]
    assert sum("not decided after 4 studies" in line for line in said) == 3
    assert said[-1].endswith(": 0% saved")


def test_sentences_put_the_faster_one_first():
    decision = deciding.Decision("a", "b", SLOWER, 0.8, 0.64, 0.9, 5)
    text = "b is faster than a: 1.25x (1.11 to 1.56) after 5 studies"
    assert deciding.sentence(decision) == text
    alike = dataclasses.replace(decision, verdict=ALIKE, ratio=1.0, low=0.97, high=1.02)
    assert "differ by less than 5%" in deciding.sentence(alike)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--submissions is missing"),
        ({"submissions": ("nadamw",), "decide": ("muon", "nadamw")}, "leave --submissions out"),
        ({"decide": ("nadamw",)}, "names no pair"),
        ({"submissions": ("nadamw",), "max_studies": 4}, "--max_studies is for --decide"),
        ({"decide": ("muon", "nadamw"), "max_studies": 1}, "expected a whole number >= 2"),
        ({"decide": ("muon", "nadamw"), "num_studies": 4}, "use --max_studies"),
        ({"decide": ("muon", "nadamw"), "shard": "1/2"}, "which a shard does not have"),
        ({"decide": ("muon", "nadamw"), "distributed": True}, "on one host"),
        ({"decide": "nadamw"}, "expected a list with at least one entry"),
    ],
)
def test_what_cannot_be_decided_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Request.of({"workloads": ("digits",), **options})
