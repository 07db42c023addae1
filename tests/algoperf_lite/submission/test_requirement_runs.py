"""Experiments of submissions with a requirements.txt: who gets what, and what is refused when."""

import importlib.metadata

import pytest
import wheels

from algoperf_lite import api, tuning
from algoperf_lite.experiment.directory import Directory
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial import logs
from algoperf_lite.trial.config import ExperimentConfig
from scoring import benchmark

STEPS = 2
# A file that writes down which version it has found.
FILE = """
import jax
import tinypackage

def get_batch_size(workload_name):
    return 64

def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return {}, None

def update_params(workload, current_param_container, current_params_types, model_state,
                  hyperparameters, batch, loss_type, optimizer_state, eval_results, global_step,
                  rng):
    workload.metrics_logger.append_scalar_metrics(
        {"version": float(tinypackage.VERSION)}, global_step
    )
    return optimizer_state, current_param_container, model_state

def data_selection(workload, input_queue, optimizer_state, current_param_container, model_state,
                   hyperparameters, global_step, rng):
    return next(input_queue)
"""
OPTIONS = {
    "workloads": ["digits"],
    "tuning_ruleset": "self",
    "num_studies": 1,
    "budget_by": "steps",
    "max_global_steps": STEPS,
    "num_workers": 1,
}


class _Listener(api.Quiet):
    def __init__(self):
        self.said = []

    def say(self, line):
        self.said.append(line)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs submissions of one file, {name: requirements.txt}, beside the reference; returns the
    records by name and what people are told."""
    wheels.use_alone(monkeypatch, tmp_path / "wheels")
    for version in ("1.0", "2.0"):
        wheels.write(tmp_path / "wheels", "tinypackage", version)

    def run(texts, how, calibrated=True):
        for name, text in texts.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "submission.py").write_text(FILE)
            (tmp_path / name / "requirements.txt").write_text(text)
        output, listener = tmp_path / "out", _Listener()
        if calibrated:
            _calibrate(output, how)
        names = ["nadamw", *(str(tmp_path / name) for name in texts)]
        options = {**OPTIONS, "requirements": how, "reporter": listener}
        done = api.run(names, output_dir=output, **options)
        return {row.submission: logs.read_record(row.directory) for row in done.rows}, listener.said

    return run


def _calibrate(output, how):
    """Gives an experiment its calibration, which takes longer than the trials of a test."""
    rules = benchmark.load("lite").ruleset("self")
    config = ExperimentConfig(
        ruleset=tuning.Ruleset("self", 1, rules.num_trials, rules.slack),
        budget_by="steps",
        max_global_steps=STEPS,
        requirements=how,
    )
    with Directory(output, config) as directory:
        directory.keep("digits", Calibration(0.01, 300, "single", 1, {"single": 0.01}, "given"))


def _versions(directory):
    lines = (directory / "submission_metrics.jsonl").read_text().splitlines()
    return {line.partition('"version": ')[2].partition(",")[0] for line in lines}


@pytest.mark.slow
def test_two_submissions_get_two_versions_of_a_package_in_one_experiment(run, tmp_path):
    asked = {"one": "tinypackage==1.0\n", "two": "tinypackage==2.0\n"}
    records, said = run(asked, "isolated")
    assert {r["status"] for r in records.values()} == {"not_reached"}, records
    for name, version in (("one", "1.0"), ("two", "2.0")):
        record = records[name]
        directory = tmp_path / "out" / name / "study_0" / "digits_jax" / "trial_1"
        assert _versions(directory) == {version}
        assert record["requirements"] == [
            {"wanted": f"tinypackage=={version}", "installed": version}
        ]
        assert record["fingerprint"]["own_packages"] == {"tinypackage": version}
    # The reference ran as ever, and all three can be compared in seconds.
    assert records["nadamw"]["requirements"] == []
    assert "own_packages" not in records["nadamw"]["fingerprint"]
    assert len({record["fingerprint"]["key"] for record in records.values()}) == 1
    assert [line.partition(" ")[0] for line in said] == ["building", "building"]


@pytest.mark.slow
def test_another_version_is_said_recorded_and_gone_on_with(run, tmp_path, monkeypatch):
    # A package that is here in one version: a folder on the path, as an installation is.
    wheels.unpacked(tmp_path / "wheels", "tinypackage", "1.0", tmp_path / "here")
    monkeypatch.syspath_prepend(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "here"), prepend=":")
    records, said = run({"one": "tinypackage==2.0\n"}, "installed")
    assert said == [
        "submission 'one' requires tinypackage==2.0, but 1.0 is installed; going on with what is "
        "installed (see --requirements)"
    ]
    assert records["one"]["status"] == "not_reached", records["one"]["error"]
    assert records["one"]["requirements"] == [{"wanted": "tinypackage==2.0", "installed": "1.0"}]


@pytest.mark.parametrize(
    ("text", "how", "sentence"),
    [
        ("no-such-package==1\n", "installed", "run: pip install 'no-such-package==1'"),
        ("optax==99\n", "strict", f"optax==99, but {importlib.metadata.version('optax')} is inst"),
        pytest.param(
            "tinypackage==3.0\n",
            "isolated",
            "pip says 'No matching distribution found for tinypackage==3.0'",
            marks=pytest.mark.slow,
        ),
        ("not a requirement\n", "installed", "which is no requirement"),
    ],
)
def test_what_cannot_be_had_is_one_sentence_before_anything_is_calibrated(
    run, tmp_path, text, how, sentence
):
    with pytest.raises(ValueError, match=sentence):
        run({"one": text}, how, calibrated=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", [{"executor": "ray"}, {"distributed": True}])
def test_environments_are_of_one_machine(tmp_path, given):
    options = {**OPTIONS, **given, "requirements": "isolated"}
    with pytest.raises(ValueError, match="--requirements=isolated builds environments on this"):
        api.run(["nadamw"], output_dir=tmp_path / "out", **options)


def test_no_environment_is_built_for_another_framework(tmp_path, run):
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "submission.py").write_text(f"import torch\n{FILE}")
    (folder / "requirements.txt").write_text("tinypackage==1.0\n")
    said = _Listener()
    options = {**OPTIONS, "requirements": "isolated", "reporter": said}
    with pytest.raises(ValueError, match="this is a PyTorch submission"):
        api.run([str(folder)], output_dir=tmp_path / "out", **options)
    assert said.said == []
