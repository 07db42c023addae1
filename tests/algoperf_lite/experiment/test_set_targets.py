"""Multipliers and targets from the records of finished trials, none of which is trained here."""

import dataclasses
import json
from pathlib import Path

import pytest

import workloads
from algoperf_lite.cli import main
from algoperf_lite.cli import set_targets as command
from algoperf_lite.experiment import full_data, multiplier_search, set_targets, target_search
from algoperf_lite.experiment.multiplier_search import MultiplierSearch
from algoperf_lite.experiment.published import nadamw_point
from algoperf_lite.experiment.target_search import TargetSearch
from algoperf_lite.submission import native
from algoperf_lite.training.calibration import Calibration
from scoring import benchmark

CALIBRATION = Calibration(0.01, 400, "single", 8, {"single": 0.01}, "key")


def _finished(trial, best, status="not_reached", metric="accuracy"):
    """Writes the record that a trial would have left."""
    directory = Path(trial.directory)
    directory.mkdir(parents=True)
    record = {
        "status": status,
        "best": best,
        "metric": metric,
        "seed": trial.seed,
        "step_hint": 300,
        "hyperparameters": trial.hyperparameters or {"learning_rate": best},
        "parameter_multiplier": trial.parameter_multiplier or 2.0,
        "data_sha256": "d",
        "fingerprint": {},
    }
    (directory / "trial.json").write_text(json.dumps(record))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the families' files of multipliers are, for a test."""
    monkeypatch.setattr(workloads, "multiplier_path", lambda name: tmp_path / f"{name}.json")
    return tmp_path


def test_the_multiplier_with_the_best_median_is_kept_and_its_neighbours_are_tried(folder):
    search = MultiplierSearch("lite", 3, 7, folder / "runs", (1.0, 2.0, 4.0))
    coarse = search.coarse("digits", CALIBRATION)
    assert [len(runs) for runs in coarse.values()] == [3, 3, 3]
    # One lucky seed does not decide, and one that diverged does not either.
    scores = {1.0: [0.99, 0.5, 0.5], 2.0: [0.8, 0.9, None], 4.0: [0.7, 0.7, 0.7]}
    for multiplier, runs in coarse.items():
        for run, best in zip(runs, scores[multiplier], strict=True):
            assert run.parameter_multiplier == multiplier
            assert run.hyperparameters == nadamw_point("digits")
            assert run.max_global_steps == 300 and run.whole_horizon
            _finished(run, best, "diverged" if best is None else "not_reached")
    assert multiplier_search.best(coarse) == 2.0
    fine = search.fine("digits", CALIBRATION, coarse)
    assert [round(m, 3) for m in fine] == [1.414, 2.828]
    for multiplier, runs in fine.items():
        for run in runs:
            _finished(run, 0.85 if multiplier > 2 else 0.75)
    workloads.multiplier_path("digits").write_text('{"full": {"value": 1.0}}')
    multiplier_search.write("digits", "lite", "the command", {**coarse, **fine})
    assert workloads.multiplier("digits", "full") == {"value": 1.0}
    found = workloads.multiplier("digits", "lite")
    assert found["value"] == 2.828  # its median is 0.85, that of 2 is 0.8
    told = found["provenance"]["best_by_multiplier"]
    assert list(told) == ["1", "1.414", "2", "2.828", "4"]
    assert told["2"] == [0.8, 0.9, None] and found["provenance"]["command"] == "the command"
    assert workloads.load("digits").parameter_multiplier == 2.828


def test_a_family_whose_runs_all_diverged_gets_no_multiplier(folder):
    search = MultiplierSearch("lite", 1, 7, folder / "runs", (1.0, 2.0))
    runs = search.coarse("digits", CALIBRATION)
    for [run] in runs.values():
        _finished(run, None, "diverged")
    with pytest.raises(ValueError, match="every multiplier diverged on 'digits'"):
        multiplier_search.write("digits", "lite", "", runs)
    assert not workloads.multiplier_path("digits").exists()


def test_runs_for_targets_take_the_part_of_the_step_hint_that_is_asked_for(tmp_path):
    search = TargetSearch("lite", ["nadamw"], 1, 1, 1, 7, tmp_path, horizon=0.5)
    [point] = search.points(["digits"], {"digits": CALIBRATION})
    assert point.max_global_steps == 200 and point.budget == 0.5 and point.whole_horizon
    _finished(point, 0.9)
    [reruns] = search.reruns("digits", [point], CALIBRATION)
    assert [run.max_global_steps for run in reruns] == [200]
    _finished(reruns[0], 0.8)
    entry = search.entry("digits", [point], [reruns], "")
    assert entry["provenance"]["horizon"] == 0.5 and entry["step_hint"] == 600


def test_a_target_is_the_median_of_the_best_point_s_reruns(tmp_path):
    search = TargetSearch("lite", ["nadamw", "nesterov"], 2, 3, 1, 7, tmp_path)
    points = search.points(["digits"], {"digits": CALIBRATION})
    best = {("nadamw", 1): 0.7, ("nadamw", 2): 0.9, ("nesterov", 1): 0.8, ("nesterov", 2): None}
    for point in points:
        value = best[point.submission_name, point.trial]
        _finished(point, value, "diverged" if value is None else "not_reached")
    [reruns] = search.reruns("digits", points, CALIBRATION)
    assert {run.submission_name for run in reruns} == {"nadamw"}
    assert {run.config.rng_seed for run in reruns} == {8}  # not the points' seeds
    assert reruns[0].hyperparameters == {"learning_rate": 0.9}
    for run, value in zip(reruns, (0.6, 0.95, 0.85), strict=True):
        _finished(run, value)
    entry = search.entry("digits", points, [reruns], "the command")
    assert entry["validation_target_value"] == 0.85
    assert entry["step_hint"] == 400  # the runs that set it had three quarters
    assert entry["provenance"]["algorithm"] == "nadamw"
    assert entry["provenance"]["best_of_points"]["nesterov"]["best"] == 0.8
    path = tmp_path / "mine.json"
    set_targets.write_benchmark(path, {"digits": entry})
    assert benchmark.load(path).workloads["digits"].value == 0.85
    assert benchmark.load(path).scale == "lite"
    full = tmp_path / "full.json"
    set_targets.write_benchmark(full, {"fashion_mnist": entry}, "full")
    assert benchmark.load(full).scale == "full"
    assert benchmark.load(full).base_workloads == ("fashion_mnist",)
    beside = json.loads(benchmark.provenance_path(path).read_text())
    assert beside["digits"]["command"] == "the command"


def test_of_several_candidates_the_one_with_the_best_median_sets_the_target(tmp_path):
    search = TargetSearch("lite", ["nadamw"], 3, 2, 1, 7, tmp_path, num_candidates=2)
    points = search.points(["digits"], {"digits": CALIBRATION})
    for point, value in zip(points, (0.7, 0.9, 0.8), strict=True):
        _finished(point, value)
    lucky, sound = search.reruns("digits", points, CALIBRATION)
    rates = [runs[0].hyperparameters["learning_rate"] for runs in (lucky, sound)]
    assert rates == [0.9, 0.8]  # best first
    for run, value in zip([*lucky, *sound], (0.6, 0.65, 0.75, 0.8), strict=True):
        _finished(run, value)
    entry = search.entry("digits", points, [lucky, sound], "")
    assert entry["validation_target_value"] == pytest.approx(0.775)
    assert entry["provenance"]["hyperparameters"] == {"learning_rate": 0.8}
    with pytest.raises(ValueError, match="fewer than 4 points"):
        dataclasses.replace(search, num_candidates=4).reruns("digits", points, CALIBRATION)


def test_too_few_points_that_ended_well_are_said(tmp_path):
    search = TargetSearch("lite", ["nadamw"], 1, 3, 1, 7, tmp_path)
    [point] = search.points(["digits"], {"digits": CALIBRATION})
    _finished(point, None, "diverged")
    with pytest.raises(ValueError, match="fewer than 1 points on 'digits' ended well"):
        target_search.best_points("digits", [point], 1)


def test_published_points_have_the_reference_s_hyperparameters():
    names = native.load("nadamw").self_tuning_point.keys()
    for family in workloads.names():
        assert nadamw_point(family).keys() == names
    assert nadamw_point("ogbg")["learning_rate"] == 1.7486e-3  # no point of its own: the baseline's
    assert nadamw_point("imagenet_vit")["learning_rate"] == 8.45e-4


def test_all_trials_find_their_data_where_the_user_said():
    search = TargetSearch("full", ["nadamw"], 1, 2, 1, 7, Path("runs"), data_dir="/data")
    [point] = search.points(["digits"], {"digits": CALIBRATION})
    assert point.data_dir == "/data"
    search = MultiplierSearch("full", 1, 7, Path("runs"), (1.0,), data_dir="/data")
    [[run]] = search.coarse("digits", CALIBRATION).values()
    assert run.data_dir == "/data"


def asked(*words):
    return main._dispatch(main.parser().parse_args(["set_targets", *words]))


def test_more_candidates_than_points_are_refused_before_anything_is_trained(capsys):
    assert asked("--num_points=2", "--algorithms=adamw,nadamw", "--num_candidates=5") == 2
    assert "--num_candidates=5 of 4 points in all" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--scale=full", "--data_dir=."], ["targets"]),
        (["--scale=full", "--data_dir=.", "--stages=multipliers"], ["multipliers"]),
        (["--scale=lite"], ["multipliers", "targets"]),
        (["--scale=lite", "--stages=targets,multipliers"], ["multipliers", "targets"]),
    ],
)
def test_full_scale_models_need_no_multipliers(words, expected, monkeypatch, capsys):
    begun = []
    for stage in command.STAGES:
        found = lambda args, *_, stage=stage: begun.append(stage) or [args.data_dir or "none"]  # noqa: E731
        monkeypatch.setattr(command, f"_{stage}", found)
    monkeypatch.setattr(full_data, "check", lambda *_: None)
    monkeypatch.delenv("ALGOPERF_LITE_DATA", raising=False)
    assert asked(*words) == 0
    assert begun == expected
    said = capsys.readouterr().out.split()
    assert set(said) == {str(Path.cwd()) if "--data_dir=." in words else "none"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--scale=full", "--workloads=fashion_mnist"], "give --data_dir, or set the variable"),
        (["--scale=full", "--workloads=mnist", "--data_dir=/bin"], "data of mnist are missing in"),
        (["--workloads=digits", "--algorithms=adamww"], "did you mean 'adamw'?"),
        (["--workloads=digits", "--stages=target"], "did you mean 'targets'?"),
    ],
)
def test_bad_input_is_said_before_anything_is_calibrated(
    words, sentence, monkeypatch, tmp_path, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALGOPERF_LITE_DATA", raising=False)
    assert asked(*words) == main.BAD_INPUT
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())
