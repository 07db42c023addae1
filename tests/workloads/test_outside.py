"""Workloads from folders anywhere: by path to load them, by name everywhere else."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import workloads
from algoperf_lite import api
from algoperf_lite.executors.ray import node
from algoperf_lite.experiment import plan, preflight, selection, set_targets, terms
from algoperf_lite.machine.numerics import USUAL
from algoperf_lite.submission import find
from algoperf_lite.training import calibration
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial import integrity
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.record import RulesBroken, TrialRecord
from algoperf_lite.trial.spec import TrialSpec
from scoring import benchmark
from tests.workloads import spirals_folder

ROOT = Path(__file__).parents[2]
CALIBRATION = Calibration(0.01, 400, "single", 8, {"single": 0.01}, "key")
ENTRY = {
    "target_metric_name": "accuracy",
    "validation_target_value": 0.9,
    "step_hint": 400,
    "provenance": {},
}


@pytest.fixture
def folder(tmp_path):
    return spirals_folder.write(tmp_path / "zoo" / "spirals")


def trial(folder, directory):
    path = str(find.locate("nadamw"))
    return TrialSpec(path, str(folder), study=0, trial=1, directory=str(directory))


def test_a_folder_is_loaded_by_its_path_and_called_by_its_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    found = workloads.locate("../spirals_tanh/")
    assert found == f"{folder}_tanh"  # whoever has another working directory finds it too
    workload = workloads.load(found)
    assert workload.name == workloads.name_of(found) == "spirals_tanh"
    assert workload.config.activation == "tanh"
    assert workloads.base_of(found) == str(folder) == workloads.locate(".")
    assert workloads.variants(str(folder)) == [found]
    assert workload == workloads.load(found) != workloads.load(str(folder))


def test_files_of_the_folder_import_each_other_in_both_ways(folder):
    (folder / "__init__.py").write_text("STEPS = 100\n")
    (folder / "sizes.py").write_text("from spirals import STEPS\n")
    (folder / "more").mkdir()
    (folder / "more" / "deep.py").write_text("from ..sizes import STEPS\n")
    lines = (
        "from spirals.more.deep import STEPS\nfrom . import sizes\nassert sizes.STEPS == STEPS\n"
    )
    text = (folder / "workload.py").read_text().replace("step_hint=400", "step_hint=STEPS")
    (folder / "workload.py").write_text(
        text.replace("import dataclasses\n", lines + "import dataclasses\n", 1)
    )
    assert workloads.load(str(folder)).step_hint == 100


def test_a_copy_elsewhere_takes_the_place_of_the_first_in_one_process(folder, tmp_path):
    other = spirals_folder.write(tmp_path / "copy" / "spirals")
    text = (other / "workload.py").read_text()
    (other / "workload.py").write_text(text.replace("step_hint=400", "step_hint=7"))
    hints = [workloads.load(str(each)).step_hint for each in (folder, other, folder)]
    assert hints == [400, 7, 400]


BROKEN = {
    "import nothing_of_this_name": r"ModuleNotFoundError: No module .*, workload.py line 1\)",
    "SCALES = {": r"SyntaxError: .*, workload.py line 1\)",
    "from spirals import wrong": r"ZeroDivisionError: .*, wrong.py line 2\)",
    "VARIANTS = {}": r"workload.py has no SCALES; add SCALES = ",
    "SCALES = {'full': None}": "unknown scale of workload 'spirals' 'lite'; did you mean 'full'",
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_wrong_in_a_folder_is_one_sentence_with_file_and_line(folder, text):
    (folder / "wrong.py").write_text("\n1 / 0\n")
    (folder / "workload.py").write_text(text + "\n")
    with pytest.raises(ValueError, match=BROKEN[text]) as raised:
        workloads.load(str(folder))
    assert "\n" not in str(raised.value)


def test_a_folder_can_be_mended_and_loaded_again(folder):
    text = (folder / "workload.py").read_text()
    (folder / "workload.py").write_text("1 / 0")
    with pytest.raises(ValueError, match="ZeroDivisionError"):
        workloads.load(str(folder))
    (folder / "workload.py").write_text(text)
    assert workloads.load(str(folder)).name == "spirals"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("zoo/spirls", "there is no workload folder '.*zoo/spirls'; give the path of a folder"),
        ("zoo/spirals_tanhh", "unknown workload '.*'; did you mean '.*/zoo/spirals_tanh'"),
        ("./zoo", "folder '.*/zoo' has no workload.py"),
        ("spirals", "unknown workload 'spirals'; .* or the path of a folder, as in ./my_family"),
        ("zoo/wmt", "would be called 'wmt', which means 'wmt' of algoperf-lite"),
        ("zoo/ogbg_mine", "would be called 'ogbg_mine', which means 'ogbg' of algoperf-lite"),
        ("zoo/optax", "has the name of the Python package 'optax', which would hide it"),
        ("zoo/my.family", "gives its workload a name that cannot be used"),
    ],
)
def test_a_path_that_leads_to_no_workload_is_one_sentence(folder, monkeypatch, path, message):
    for name in ("wmt", "ogbg_mine", "optax", "my.family"):
        spirals_folder.write(folder.parent / name)
    monkeypatch.chdir(folder.parents[1])
    with pytest.raises(ValueError, match=message):
        workloads.load(path)


def test_two_folders_of_one_name_are_refused_and_names_mixed_in(folder, tmp_path):
    other = spirals_folder.write(tmp_path / "copy" / "spirals")
    for names in (selection.workload_names, set_targets.resolved):
        assert names([str(folder), "digits"]) == [str(folder), "digits"]
        with pytest.raises(ValueError, match="would both be called 'spirals'; rename one"):
            names([str(folder), str(other)])


def test_a_benchmark_calls_it_by_its_name_and_draws_its_variant(folder, tmp_path):
    path = tmp_path / "mine.json"
    variant = f"{folder}_tanh"
    set_targets.write_benchmark(path, {str(folder): ENTRY, variant: ENTRY})
    set_targets.write_benchmark(path, {"digits": ENTRY})  # the others stay
    found = benchmark.load(path)
    assert found.base_workloads == ("digits", "spirals")
    assert sorted(found.workloads) == ["digits", "spirals", "spirals_tanh"]
    drawn = selection.workload_names([str(folder), "held_out"], found, held_out_seed=0)
    assert drawn == [str(folder), variant]
    with pytest.raises(ValueError, match="unknown workload 'spirals_tanh'"):
        selection.workload_names(["held_out"], found, held_out_seed=0)


def test_a_benchmark_s_step_hint_is_found_by_its_name(folder, tmp_path):
    set_targets.write_benchmark(tmp_path / "mine.json", {str(folder): ENTRY}, "full")
    goal = benchmark.load(tmp_path / "mine.json")
    config = ExperimentConfig(str(tmp_path / "mine.json"), "full", budget_by="steps")
    assert terms.to_calibrate([str(folder)], config, goal) == []
    assert terms.of(str(folder), config, goal).step_hint == 400
    published = dataclasses.replace(config, budget_by="published")
    with pytest.raises(ValueError, match="has no published budget for 'spirals'; use"):
        terms.check([str(folder)], published, goal)


def test_logs_have_its_name_and_its_processes_the_path(folder, tmp_path):
    config = ExperimentConfig("none")
    contenders = selection.Selection(["nadamw"]).contenders()
    planned = plan.Experiment(
        tmp_path, config, contenders, (str(folder),), {str(folder): 0.9}
    ).plan({str(folder): CALIBRATION})
    assert {one.workload for one in planned} == {str(folder)}
    assert {one.target for one in planned} == {0.9}
    assert Path(planned[0].directory).parts[-2] == "spirals_jax"
    assert TrialRecord.of(planned[0]).workload == "spirals"
    assert planned[0].name == "nadamw on spirals (study 0, trial 1)"
    again = TrialSpec.from_json(json.loads(json.dumps(dataclasses.asdict(planned[0]))))
    assert workloads.load(again.workload).name == "spirals"


def test_what_ran_on_another_text_of_it_is_not_continued(folder, tmp_path):
    spec = trial(folder, tmp_path)
    known = {"submission_sha256": None, "status": "reached"}
    record = TrialRecord.of(spec, workload_sha256=workloads.source_sha256(str(folder)), **known)
    (tmp_path / "trial.json").write_text(json.dumps(record.to_json()))
    assert plan.unfinished([spec]) == []
    (folder / "model.py").write_text("WIDTH = 3\n")
    with pytest.raises(ValueError, match="workload '.*spirals' has changed since"):
        plan.unfinished([spec])
    assert workloads.source_sha256("digits") is None


def test_a_calibration_is_of_the_text_that_was_measured(folder, monkeypatch):
    measured = []
    monkeypatch.setattr(
        calibration, "_measure", lambda workload, beat: measured.append(workload) or CALIBRATION
    )
    for _ in range(2):
        assert calibration.calibrate(str(folder), "lite") == CALIBRATION
    assert len(measured) == 1
    (folder / "model.py").write_text("WIDTH = 3\n")
    calibration.calibrate(str(folder), "lite")
    assert len(measured) == 2


def test_a_submission_that_replaces_its_functions_is_caught(folder):
    workload = workloads.load(str(folder))
    watch = integrity.TamperCheck(type(workload).__module__)
    module = sys.modules["spirals.workload"]
    module.SOME_CACHE = {}  # a value of its own may change
    watch.check_names()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RulesBroken, match="eval_step"):
        patch.setattr(module.Spirals, "eval_step", lambda *arguments: {"accuracy": 1.0})
        watch.check_names()


def _problem(path, needs=""):
    job = preflight.job_for_workloads(["digits", str(path)], "lite", USUAL, needs)
    return preflight.work(job.payload, lambda **event: None)["problem"]


def test_the_check_before_a_run_says_what_is_wrong(folder):
    assert preflight.job_for_workloads(["digits"], "lite", USUAL) is None
    assert _problem(folder) is None
    assert _problem(folder, "parameter_multiplier") is None
    assert "has no no_such_field, which is for classes" in _problem(folder, "no_such_field")
    text = (folder / "workload.py").read_text()
    mistyped = text.replace('"activation": "tanh"', '"activatoin": "tanh"')
    copy = folder.parent / "mistyped"
    copy.mkdir()
    (copy / "workload.py").write_text(mistyped)
    assert _problem(copy) is None
    assert "'activatoin'); mend its SCALES and VARIANTS" in _problem(f"{copy}_tanh")


def test_a_node_of_a_cluster_without_it_is_told_from_one_with_another_text(folder, tmp_path):
    problem = {}
    for path, sha256 in ((folder, "0"), (tmp_path / "no", "0")):
        task = node.NodeTask(None, None, 1, None, {}, {}, {path: sha256})
        problem[path.name] = node._problem(task)
    assert problem["spirals"].startswith(f"workload {str(folder)!r} holds another text there")
    assert problem["no"].startswith(f"workload {str(tmp_path / 'no')!r} does not exist there")


def test_an_experiment_knows_its_benchmark_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = ExperimentConfig("mine.json")
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert ExperimentConfig("../mine.json") == here
    assert here.benchmark == str(tmp_path / "mine.json")


def _command(where, *words):
    """What a command prints, started in a folder, where nothing of ours lies."""
    return subprocess.run(
        [sys.executable, "-m", "algoperf_lite", *words],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def _printed(where, *words):
    done = _command(where, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_from_a_folder_to_a_score_as_the_page_has_it(folder, tmp_path):
    exec(spirals_folder.block("check_workload").replace("path/to/spirals", str(folder)), {})
    few = ["--algorithms=nadamw,nesterov", "--num_points=1", "--num_seeds=1"]
    said = _printed(
        tmp_path,
        *("set_targets", "--workloads=zoo/spirals", "--benchmark=spirals.json"),
        *("--num_variant_seeds=1", *few),
    )
    target = benchmark.load(tmp_path / "spirals.json").workloads["spirals"]
    assert f"spirals: accuracy {target.value:.6g}" in said and 0.6 < target.value <= 1.0
    assert "lite" in json.loads((folder / "multipliers.json").read_text())
    # Continued from another folder, it is the same experiment, with nothing left to do.
    once = ["--tuning_ruleset=self", "--num_studies=1", "--submissions=nadamw,nesterov"]
    here = ["--workloads=zoo/spirals", "--benchmark=spirals.json", "--output_dir=runs/mine"]
    assert "2 trials, of which 0 are finished" in _printed(tmp_path, "run", *once, *here)
    there = ["--workloads=./spirals", "--benchmark=../spirals.json", "--output_dir=../runs/mine"]
    assert "2 trials, of which 2 are finished" in _printed(folder.parent, "run", *once, *there)
    board = api.score(tmp_path / "runs" / "mine").leaderboard
    assert sorted(row.submission for row in board.rows) == ["nadamw", "nesterov"]
    assert board.benchmark.name == "spirals"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "calibrate", "set_targets"])
def test_a_broken_folder_is_said_before_anything_is_compiled(folder, tmp_path, command):
    (folder / "workload.py").write_text("import nothing_of_this_name\n")
    words = [command, "--workloads=digits,zoo/spirals"]
    words += ["--submissions=nadamw"] if command == "run" else []
    done = _command(tmp_path, *words)
    assert done.returncode == 2 and "calibrated" not in done.stdout
    [line] = done.stderr.splitlines()
    assert "cannot be imported (ModuleNotFoundError: " in line and "workload.py line 1" in line
    assert not list(tmp_path.rglob("experiment.json"))
