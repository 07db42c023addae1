"""Which trial of a race is next: a function of the results so far, which loses none."""

import json

import pytest

from algoperf_lite.experiment import race_order
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.experiment.plan import Experiment
from algoperf_lite.experiment.race_order import Queue
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial.config import ExperimentConfig

WORKLOADS = ("digits", "wmt")
SPACE = "search_space = {'rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'}}\n"


@pytest.fixture
def trials(tmp_path):
    """All trials of two submissions, of which one lists its points, on two workloads."""
    (tmp_path / "space.py").write_text(SPACE)
    (tmp_path / "listed.py").write_text("search_space = [{'rate': 0.1}, {'rate': 0.2}]\n")
    contenders = tuple(Contender(str(tmp_path / f"{name}.py")) for name in ("space", "listed"))
    config = ExperimentConfig(budget_by="steps")
    experiment = Experiment(tmp_path / "out", config, contenders, WORKLOADS, {})
    calibration = Calibration(1e-3, 100, "single", 16, {"single": 1e-3}, "")
    return experiment.plan(dict.fromkeys(WORKLOADS, calibration))


def _find(trials, name, workload, study, number):
    return next(
        one
        for one in trials
        if (one.submission_name, one.workload, one.study, one.trial)
        == (name, workload, study, number)
    )


def _reached(time):
    return {"status": "reached", "time_to_target": time}


def test_all_trials_of_a_study_come_before_the_next_workload_and_submissions_take_turns(trials):
    order = race_order.by_study(trials)
    assert sorted(order, key=trials.index) == trials
    first = [(one.workload, one.study, one.trial, one.submission_name) for one in order[:12]]
    study = [("digits", 0, n, name) for n in range(1, 6) for name in ("space", "listed")]
    assert first == [*study, ("wmt", 0, 1, "space"), ("wmt", 0, 1, "listed")]


def test_the_point_that_did_best_on_another_workload_runs_first(trials):
    times = {1: 9.0, 2: 3.0, 3: 6.0, 4: None, 5: None}
    ended = [
        (_find(trials, "space", "digits", 0, n), _reached(t) if t else {"status": "not_reached"})
        for n, t in times.items()
    ]
    waiting = [_find(trials, "space", "wmt", 0, n) for n in range(1, 6)]
    found = []
    while waiting:
        found.append(race_order.following(waiting, ended, frozenset()))
        waiting.remove(found[-1])
    assert [one.trial for one in found] == [2, 3, 1, 4, 5]
    outrun = (_find(trials, "space", "digits", 0, 5), {"status": "outrun"})
    waiting = [_find(trials, "space", "wmt", 0, n) for n in (1, 4, 5)]
    assert race_order.following(waiting, [*ended[:4], outrun], frozenset()).trial == 5


def test_another_study_tells_something_only_where_it_has_the_same_points(trials):
    for name, same, expected in (("space", frozenset(), 1), ("listed", None, 2)):
        ended = [(_find(trials, name, "digits", 0, 2), _reached(1.0))]
        waiting = [_find(trials, name, "digits", 1, n) for n in range(1, 6)]
        same = frozenset({waiting[0].submission}) if same is None else same
        assert race_order.following(waiting, ended, same).trial == expected
        other = [one for one in trials if one.submission_name != name and one.study == 1]
        assert race_order.following(other[:2], ended, same) is other[0]


def test_a_queue_takes_in_results_and_hands_out_every_trial_once(trials):
    queue, handed = Queue.of(trials, trials), []
    assert queue.same_points == {trials[1].submission}
    for trial in queue:
        handed.append(trial)
        queue.tell(trial, _reached(6.0 - trial.trial))
    assert sorted(handed, key=trials.index) == trials
    digits, wmt = (
        [one.trial for one in handed if (one.workload, one.study, one.submission_name) == cell]
        for cell in (("digits", 0, "space"), ("wmt", 0, "space"))
    )
    assert digits == [1, 2, 3, 4, 5] and wmt == [5, 4, 3, 2, 1]


def test_records_of_an_earlier_command_count(trials, tmp_path):
    done = [_find(trials, "space", "digits", 0, n) for n in (1, 2)]
    for trial, time in zip(done, (9.0, 3.0), strict=True):
        folder = tmp_path / "out" / "space" / "study_0" / "digits_jax" / f"trial_{trial.trial}"
        folder.mkdir(parents=True)
        (folder / "trial.json").write_text(json.dumps(_reached(time)))
    waiting = [_find(trials, "space", "wmt", 0, n) for n in (1, 2)]
    assert [one.trial for one in Queue.of(waiting, [*done, *waiting])] == [2, 1]
