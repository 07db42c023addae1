"""Populations from the command line: what is refused; one that is killed, goes on and is shown."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from algoperf_lite import tuning
from algoperf_lite.cli import main
from algoperf_lite.executors import local
from algoperf_lite.experiment import plan, run
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.population import lineage
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial import logs
from algoperf_lite.trial.config import ExperimentConfig

pytestmark = pytest.mark.slow

CLI = [sys.executable, "-m", "algoperf_lite"]
WIDE = """
import optax
import jax.numpy as jnp
search_space = {
    "lr": {"min": 0.01, "max": 0.1, "scaling": "log"}, "width": {"feasible_points": [2, 4]}
}
def optimizer(workload, hyperparameters):
    init = lambda params: jnp.zeros(hyperparameters.width)
    update = lambda updates, state, params=None: (updates, state)
    return optax.chain(
        optax.sgd(hyperparameters.lr),
        optax.GradientTransformation(init, update),
    )
"""
FILES = {
    "wide": WIDE,
    "pointwise": "import optax\nsearch_space = [{'lr': 0.1}]\n"
    "def optimizer(workload, hyperparameters):\n    return optax.sgd(hyperparameters.lr)\n",
    "algoperf": "def update_params():\n    pass\n",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The folder of submissions."""
    folder = tmp_path_factory.mktemp("files")
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ("nadamw --population=1", "population is 1; it needs at least 2 members"),
        ("nadamw --population=many", "got 'many' as members of a population"),
        ("nadamw --population=4:ready_interval=0", "ready_interval is 0"),
        ("nadamw --population=4:explore=high", "is 'high', expected numbers joined by +"),
        ("nadamw --population=4:exploit=truncate", "did you mean 'truncation'?"),
        ("nadamw --population=4:ready=5", "did you mean 'ready_interval'?"),
        ("nadamw --population=4:burn_in=-5", "is '-5', expected a whole number of steps"),
        ("nadamw --population=4:burn_in=5:burn_in=6", "burn_in is twice in population"),
        ("nadamw --population=4:fitness", "got 'fitness' in population"),
        ("nadamw --population=4 --vectorize=trials", "nothing for --vectorize=trials to train"),
        ("{}/algoperf.py --population=4", "in AlgoPerf's form (update_params)"),
        # These need a process that runs the file.
        (
            "nadamw --population=4:ready_interval=5000",
            "ready_interval is 5000 steps but training",
        ),
        ("{}/pointwise.py --population=4", "a list of points as search_space"),
        ("{}/wide.py --population=4", "search_space['width'] changes shapes"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_compiled(
    files, tmp_path, capsys, flags, sentence
):
    arguments = f"--submissions={flags.format(files)} --workloads=digits".split()
    line = ["algoperf-lite", "run", *arguments, f"--output_dir={tmp_path / 'out'}"]
    try:
        code = main._dispatch(main._parse(line))
    except SystemExit as refused:
        code = refused.code
    said = capsys.readouterr().err
    assert code == 2, said
    assert sentence in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_population_is_one_trial_of_a_study_with_time_for_all_members(tmp_path):
    ruleset = tuning.Ruleset("external", 2, 5, 1.0)
    calibration = {"digits": Calibration(0.5, 100, "loop", 7, {}, "key")}
    for entry, name, seconds in (
        (Contender("nadamw.py", population=PopulationConfig(4)), "nadamw+pbt(4)", 200.0),
        (
            Contender("nadamw.py", "constant", 0.5, PopulationConfig(4)),
            "nadamw+constant+pbt(4)@0.5",
            100.0,
        ),
    ):
        planned = plan.Experiment(
            tmp_path, ExperimentConfig("lite", "lite", ruleset), (entry,), ("digits",), {}
        ).plan(calibration)
        assert [(trial.study, trial.trial) for trial in planned] == [(0, 1), (1, 1)]
        assert planned[0].submission_name == name
        assert planned[0].max_seconds == seconds
    planned = plan.Experiment(
        tmp_path,
        ExperimentConfig("lite", "lite", ruleset),
        (Contender("nadamw.py", population=PopulationConfig(4)),),
        ("digits",),
        {},
    ).plan(calibration)
    # Nobody trains longer than a trial would, however many devices there are.
    assert (planned[0].max_global_steps, planned[0].population.ready_interval) == (100, 5)


def _is_past(directory, step):
    """Whether a trial has a checkpoint beyond a step."""
    found = (directory / "checkpoints").glob("*")
    return any(path.name.isdecimal() and int(path.name) > step for path in found)


def test_a_killed_run_goes_on_from_its_checkpoint_and_is_reported(tmp_path):
    list(run.calibrate(["digits"], "lite", local.local(1, 1)))
    output = tmp_path / "out"
    command = [
        *(*CLI, "run", "--submissions=nadamw", "--population=3:ready_interval=8"),
        *("--workloads=digits", "--num_studies=1", "--max_global_steps=60", "--num_workers=1"),
        *("--budget_by=steps", f"--output_dir={output}", "--checkpoint_share=1"),
    ]
    directory = output / "nadamw+pbt(3)" / "study_0" / "digits_jax" / "trial_1"
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    deadline = time.monotonic() + 200
    while not _is_past(directory, 8) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert logs.read_record(directory) is None

    again = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    record = logs.read_record(directory)
    assert record["status"] == "not_reached", record["error"]
    assert record["preemption_count"] == 1
    assert not (directory / "checkpoints").exists()
    generations = lineage.read(directory / lineage.FILE)
    assert [generation.step for generation in generations] == [*range(0, 60, 8), 60]

    other = subprocess.run(
        [*command, "--population=3:ready_interval=9"], capture_output=True, text=True, timeout=300
    )
    assert other.returncode == 2
    assert "was run with other rules; choose another --output_dir" in other.stderr

    page = output / "report.html"
    shown = subprocess.run(
        [*CLI, "report", output, f"--output={page}"], capture_output=True, text=True, timeout=120
    )
    assert shown.returncode == 0, shown.stderr
    text = page.read_text()
    assert 'id="populations"' in text and "Family tree" in text
    scored = subprocess.run(
        [*CLI, "score", output, "--json", "--only_present"], capture_output=True, text=True
    )
    assert "nadamw+pbt(3)" in json.loads(scored.stdout)["scores"]
