"""Whole experiments: statuses, resuming, refusing, repeating. Each trial is a real process."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from algoperf_lite import tuning
from algoperf_lite.executors import job, local
from algoperf_lite.experiment import jobs, plan, run
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.experiment.directory import Directory
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial import logs as trial_logs
from algoperf_lite.trial.config import ExperimentConfig

pytestmark = pytest.mark.slow

CLI = [sys.executable, "-m", "algoperf_lite"]
SGD = "import optax\ndef optimizer(workload, hyperparameters):\n    return optax.sgd({})\n"
FAULTS = {
    "honest": SGD.format(0.1),
    "at_import": "raise RuntimeError('at import')\n",
    "nan": SGD.format("1e30"),
    "no_optimizer": "x = 1\n",
    "exits": "import os\nos._exit(7)\n",
    "hangs": "import time\ntime.sleep(600)\n",
}


@pytest.fixture(scope="module")
def goal(tmp_path_factory):
    """A benchmark of one workload whose target nobody meets."""
    path = tmp_path_factory.mktemp("benchmark") / "goal.json"
    ruleset = {"num_studies": 1, "num_trials": 1, "slack": 1.0}
    entry = {
        "target_metric_name": "accuracy",
        "validation_target_value": 2.0,
        "step_hint": 2000,
    }
    content = {
        "base_workloads": ["digits"],
        "workloads": {"digits": entry},
        "rulesets": {"self": ruleset, "external": ruleset},
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="session", autouse=True)
def calibrated():
    """Calibrates once for all tests here."""
    list(run.calibrate(["digits"], "lite", local.local(1, 1)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, goal):
    """The directory of an experiment that ended, for tests that change nothing in it."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "mine.py").write_text(SGD.format(0.1))
    done = _run(goal, folder / "out", ["nadamw", folder / "mine.py"])
    assert done.returncode == 0, done.stderr
    return folder / "out"


def _command(goal, output, submissions, *flags):
    return [
        *CLI,
        "run",
        f"--submissions={','.join(map(str, submissions))}",
        "--workloads=digits",
        f"--benchmark={goal}",
        "--tuning_ruleset=self",
        "--max_global_steps=60",
        f"--output_dir={output}",
        *flags,
    ]


def _run(*arguments):
    return subprocess.run(_command(*arguments), capture_output=True, text=True, timeout=300)


def _record(output, name, study=0):
    return trial_logs.read_record(output / name / f"study_{study}" / "digits_jax" / "trial_1")


def _metric_columns(output, name):
    path = output / name / "study_0" / "digits_jax" / "trial_1" / "eval_measurements.csv"
    with path.open() as file:
        return [{k: v for k, v in row.items() if "/" in k} for row in csv.DictReader(file)]


def test_one_failing_trial_never_stops_the_others(tmp_path, goal):
    files = []
    for name, text in FAULTS.items():
        files.append(tmp_path / f"{name}.py")
        files[-1].write_text(text)
    output = tmp_path / "out"
    done = _run(goal, output, files, "--heartbeat_timeout=30")
    assert done.returncode == 0, done.stderr
    records = {name: _record(output, name) for name in FAULTS}
    assert {name: record["status"] for name, record in records.items()} == {
        "honest": "not_reached",
        "at_import": "crashed",
        "nan": "diverged",
        "no_optimizer": "crashed",
        "exits": "crashed",
        "hangs": "timed_out",
    }
    assert "at import" in records["at_import"]["traceback"]
    assert "defines no optimizer" in records["no_optimizer"]["error"]
    assert "exited with code 7" in records["exits"]["error"]
    assert "no sign of life for 30 s" in records["hangs"]["error"]
    assert "6/6" in done.stdout
    # The leaderboard shows all of them, and so does its JSON.
    scored = subprocess.run(
        [*CLI, "score", output, f"--benchmark={goal}", "--tuning_ruleset=self", "--json"],
        capture_output=True,
        text=True,
    )
    assert set(json.loads(scored.stdout)["scores"]) == set(FAULTS)


def test_a_workload_without_a_target_runs_its_full_budget(tmp_path, goal):
    other = tmp_path / "goal.json"
    other.write_text(goal.read_text().replace('"digits"', '"criteo1tb"'))
    path = tmp_path / "honest.py"
    path.write_text(FAULTS["honest"])
    done = _run(other, tmp_path / "out", [path])
    assert done.returncode == 0, done.stderr
    assert "digits has no target in benchmark goal" in done.stdout
    assert _record(tmp_path / "out", "honest")["status"] == "not_reached"


def test_a_killed_run_goes_on_where_it_was(tmp_path, goal):
    output = tmp_path / "out"
    command = _command(
        goal, output, ["nadamw", "nesterov", "adamw_wsd"], "--num_workers=1", "--num_studies=1"
    )
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    deadline = time.monotonic() + 200
    second = output / "nesterov" / "study_0" / "digits_jax" / "trial_1" / "eval_measurements.csv"
    while not second.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert _record(output, "nadamw") and _record(output, "nesterov") is None
    finished = output / "nadamw" / "study_0" / "digits_jax" / "trial_1" / "trial.json"
    before = finished.stat().st_mtime_ns, finished.read_bytes()

    again = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert "3 trials, of which 1 are finished already" in again.stdout
    assert (finished.stat().st_mtime_ns, finished.read_bytes()) == before
    assert all(_record(output, name) for name in ("nesterov", "adamw_wsd"))
    assert list(second.parent.glob("interrupted_0/eval_measurements.csv"))
    steps = [row["validation/num_examples"] for row in _metric_columns(output, "nesterov")]
    assert len(steps) == 5  # steps 1, 15, 30, 45, 60: none twice


def test_two_runs_give_the_same_metrics_bit_for_bit(tmp_path, goal, finished):
    again = tmp_path / "again"
    assert _run(goal, again, ["nadamw"]).returncode == 0
    rows = [_metric_columns(output, "nadamw") for output in (finished, again)]
    assert len(rows[0]) == 5
    assert rows[0] == rows[1]
    assert _record(again, "nadamw")["ledger"]["eval"] > 0


def test_directories_of_others_are_refused_with_the_difference_named(tmp_path, goal, finished):
    for flag, message in [
        ("--rng_seed=5", "rng_seed is 0 there and 5 here"),
        ("--num_tuning_trials=2", "ruleset.num_trials is 1 there and 2 here"),
    ]:
        refused = _run(goal, finished, ["nadamw"], flag)
        assert refused.returncode == 2
        assert message in refused.stderr
        assert refused.stderr.count("\n") == 1
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    refused = _run(goal, other, ["nadamw"])
    assert refused.returncode == 2
    assert "holds 'thesis.tex' but no experiment.json" in refused.stderr
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


def test_a_changed_submission_is_not_mixed_with_its_old_results(tmp_path, goal, finished):
    (tmp_path / "mine.py").write_text(SGD.format(0.2))
    refused = _run(goal, finished, [tmp_path / "mine.py"])
    assert refused.returncode == 2
    assert "submission 'mine' has changed since" in refused.stderr


def test_batches_are_cut_and_the_record_says_so(tmp_path, goal):
    path = tmp_path / "honest.py"
    path.write_text(FAULTS["honest"])
    assert _run(goal, tmp_path / "out", [path], "--microbatches=2").returncode == 0
    assert _record(tmp_path / "out", "honest")["stepping"]["microbatches"] == 2


@pytest.mark.parametrize(
    ("workload", "count", "message"),
    [
        ("imagenet_resnet", 2, "'imagenet_resnet' has batch norm, whose statistics are of a whole"),
        ("digits", 7, "on workload 'digits' cannot be cut into 7 equal parts; choose"),
    ],
)
def test_batches_that_cannot_be_cut_are_refused_in_one_sentence(tmp_path, workload, count, message):
    flags = ["--submissions=nadamw", f"--workloads={workload}", f"--microbatches={count}"]
    done = subprocess.run(
        [*CLI, "run", *flags, f"--output_dir={tmp_path / 'out'}"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr and not (tmp_path / "out").exists()


def test_a_directory_has_one_owner_at_a_time(tmp_path):
    settings = ExperimentConfig("lite", "lite", tuning.Ruleset("self", 3, 1, 1.5))
    refused = pytest.raises(ValueError, match="is in use by another run")
    with Directory(tmp_path / "out", settings), refused:
        Directory(tmp_path / "out", settings)
    with Directory(tmp_path / "out", settings):
        pass


def test_a_record_is_not_believed_against_clock_or_rows(tmp_path):
    from algoperf_lite.trial.spec import TrialSpec

    logs = trial_logs.TrialLogs(tmp_path, ["loss"])
    logs.write_eval({"validation/loss": 0.5, "global_step": 1}, 0.5)
    spec = TrialSpec("nadamw", "digits", 0, 1, str(tmp_path))
    ledger = {"update_params": 4.0, "setup": 1.0, "wall": 5.0}
    result = {"status": "reached", "ledger": ledger, "rows_sha256": logs.sha256}
    honest = jobs.finalize(spec, job.Outcome(dict(result), wall=5.01))
    assert honest["status"] == "reached"
    caught = jobs.finalize(spec, job.Outcome(dict(result), wall=9.0))
    assert caught["status"] == "invalid"
    assert "went by" in caught["error"]
    assert json.loads((Path(tmp_path) / "trial.json").read_text())["status"] == "invalid"
    forged = jobs.finalize(spec, job.Outcome({"status": "reached", "ledger": ledger}, wall=5.01))
    assert forged["status"] == "invalid" and "no hashes of the rows" in forged["error"]
    with (tmp_path / "eval_measurements.csv").open("a") as file:
        file.write("0.1\n")
    added = jobs.finalize(spec, job.Outcome(dict(result), wall=5.01))
    assert added["status"] == "invalid" and "other rows" in added["error"]


def _planned(tmp_path, *entries, **settings):
    """All trials of entries on digits, whose step hint is 100 and whose steps take 0.5 s."""
    settings = ExperimentConfig("lite", "lite", tuning.Ruleset("external", 2, 2, 1.5), **settings)
    planned = plan.Experiment(tmp_path, settings, entries, ("digits",), {"digits": 0.9})
    return planned.plan({"digits": Calibration(0.5, 100, "loop", 7, {}, "key")})


def test_trials_of_one_name_are_told_apart(tmp_path):
    first = _planned(tmp_path, Contender("nowhere.py"))[0]
    trials = [first, dataclasses.replace(first, directory=str(tmp_path / "elsewhere"))]
    told = []
    ended = jobs.run(
        trials, local.local(1, None), lambda trial, event: told.append(trial.directory)
    )
    assert {trial.directory for trial, _ in ended} == {trial.directory for trial in trials}
    assert set(told) == {trial.directory for trial in trials}
    assert all(trial_logs.read_record(Path(trial.directory)) for trial in trials)


def test_entries_alternate_within_a_workload(tmp_path):
    planned = _planned(tmp_path, Contender("nadamw.py"), Contender("nesterov.py"))
    order = [(t.study, t.trial, t.submission_name) for t in planned]
    assert order == [
        (study, trial, name)
        for study in (0, 1)
        for trial in (1, 2)
        for name in ("nadamw", "nesterov")
    ]
    assert planned[0].max_seconds == 75.0
    assert planned[0].max_global_steps is None
    assert planned[0].target == 0.9
    assert (planned[0].stepping_mode, planned[0].steps_per_dispatch) == ("loop", 7)
    assert planned[0].seed == planned[1].seed != planned[2].seed


def test_a_budget_is_the_horizon_and_the_end(tmp_path):
    quarter = Contender("a/nadamw.py", "uba:phi=5", 0.25)
    trial = _planned(tmp_path, quarter)[0]
    assert trial.submission_name == "nadamw+uba(phi=5)@0.25"
    assert Path(trial.directory).parts[-4] == trial.submission_name
    assert (trial.schedule, trial.budget, trial.whole_horizon) == ("uba:phi=5", 0.25, True)
    assert (trial.max_global_steps, trial.max_seconds) == (25, 1.5 * 12.5)
    assert _planned(tmp_path, quarter, max_global_steps=7)[0].max_global_steps == 7
    whole = _planned(tmp_path, Contender("nadamw.py", None, 1.0), budget_by="steps")[0]
    assert (whole.submission_name, whole.max_global_steps) == ("nadamw", 100)


def test_schedules_and_budgets_make_entries_of_their_own(tmp_path):
    done = subprocess.run(
        [
            *(*CLI, "run", "--submissions=nadamw", "--schedules=cosine,constant"),
            *("--budgets=0.5,1", "--workloads=digits", "--tuning_ruleset=self"),
            *("--num_studies=1", "--budget_by=steps", f"--output_dir={tmp_path}"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    # A constant rate is the same at any horizon, so it runs once.
    names = ["nadamw+constant", "nadamw+cosine", "nadamw+cosine@0.5"]
    assert sorted(path.name for path in tmp_path.glob("nadamw*")) == names
    rates = {}
    for name in names:
        path = tmp_path / name / "study_0" / "digits_jax" / "trial_1" / "eval_measurements.csv"
        with path.open() as file:
            rates[name] = {
                int(row["global_step"]): float(row["learning_rate"]) for row in csv.DictReader(file)
            }
        assert _record(tmp_path, name)["hyperparameters"]["horizon"] == 1.0
    assert {name: max(found) for name, found in rates.items()} == {
        "nadamw+constant": 600,
        "nadamw+cosine": 600,
        "nadamw+cosine@0.5": 300,
    }
    assert rates["nadamw+constant"][600] == pytest.approx(1.7486e-3)
    for name, last in (("nadamw+cosine", 600), ("nadamw+cosine@0.5", 300)):
        assert 0 < rates[name][last] < 1e-4
    scored = subprocess.run(
        [*CLI, "score", tmp_path, "--only_present", "--json"], capture_output=True, text=True
    )
    cells = json.loads(scored.stdout)["at_budget"]["nadamw+cosine"]["digits"]
    assert [cell["step"] for cell in cells] == [150, 300, 600]
