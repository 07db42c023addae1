"""The Python interface: real trials on digits; what it returns, refuses and loads."""

import dataclasses
import importlib.util
import inspect
import json
import subprocess
import sys

import pytest

from algoperf_lite import api
from algoperf_lite.experiment import options
from algoperf_lite.experiment.results import Table
from algoperf_lite.submission import find

SETTINGS = {"tuning_ruleset": "self", "num_studies": 1, "max_global_steps": 20}


class Listener(api.Quiet):
    """A reporter that keeps what it is told."""

    def __init__(self):
        self.told = []

    def say(self, line):
        self.told.append(line)

    def on_calibrated(self, workload, calibration):
        self.told.append(f"calibrated {workload}")

    def on_end(self, trial, record):
        self.told.append((trial.submission_name, record["status"]))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(result, what the reporter was told, directory) of an experiment of one trial."""
    folder, listener = tmp_path_factory.mktemp("runs") / "one", Listener()
    done = api.run(["nadamw"], ["digits"], folder, reporter=listener, num_workers=1, **SETTINGS)
    return done, listener.told, folder


def test_a_run_returns_its_trials(finished):
    done, told, folder = finished
    assert done.output_dir == folder
    [row] = done.rows
    assert (row.submission, row.workload, row.study, row.trial) == ("nadamw", "digits", 0, 1)
    assert row.status == "not_reached" and row.time_to_target is None
    assert 0 < row.best < 1 and row.hyperparameters["learning_rate"] == 1.7486e-3
    assert json.loads((row.directory / "trial.json").read_text())["best"] == row.best
    assert told == ["calibrated digits", ("nadamw", "not_reached")]
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.best = 1.0


def test_a_run_keeps_the_sources_and_what_reading_them_tells(finished):
    _, _, folder = finished
    text = (folder / "sources" / "nadamw" / "nadamw.py").read_text()
    assert text == find.locate("nadamw").read_text()
    about = json.loads((folder / "sources" / "nadamw.json").read_text())
    assert about["sha256"] == find.source_sha256(find.locate("nadamw"))
    assert (about["file"], about["check"]["violations"]) == ("nadamw.py", 0)


def test_a_second_call_runs_nothing_and_returns_the_same(finished, capsys):
    done, _, folder = finished
    listener = Listener()
    again = api.run(["nadamw"], ["digits"], str(folder), reporter=listener, **SETTINGS)
    assert again.rows == done.rows and listener.told == []
    assert capsys.readouterr().out == ""


def test_a_run_is_scored_and_reported(finished, tmp_path):
    _, _, folder = finished
    found = api.score(folder, only_present=True, by="steps", plot=tmp_path / "profile")
    [row] = found.rows
    assert (row.submission, row.reached, row.num_studies) == ("nadamw", 0, 1)
    assert found.leaderboard.protocol.ruleset == "self"  # the experiment's own
    assert found.leaderboard.workloads == ("digits",)
    assert [path.suffix for path in found.plots] == [".svg", ".png"]
    assert all(path.exists() for path in found.plots)
    done = api.report(folder, tmp_path / "deep" / "page.html", only_present=True)
    assert done.output.read_text().startswith("<!doctype html>") and done.figures is None


def test_a_submission_is_checked():
    found = api.check("nadamw", static=True)
    assert found.submission == "nadamw" and found.rows == ()
    assert (found.num_violations, found.num_to_review) == (0, 0)


def test_what_there_is_is_listed():
    kinds = {row.kind for row in api.list().rows}
    assert kinds == {"workloads", "submissions", "schedules", "benchmarks"}
    assert "digits" in [row.name for row in api.list("workloads").rows]


def test_calibrations_are_rows(finished):
    [row] = api.calibrate(["digits"], num_workers=1).rows
    assert row.workload == "digits" and row.seconds_per_step > 0 and row.step_hint == 600


def test_a_replayed_file_never_replaces_another(tmp_path):
    there = tmp_path / "mine.py"
    there.write_text("mine\n")
    _population(tmp_path)
    with pytest.raises(ValueError, match="is there already; give another --output"):
        api.replay(tmp_path / "lineage.jsonl", there)
    assert there.read_text() == "mine\n"
    with pytest.raises(ValueError, match="give one that ends with .py"):
        api.replay(tmp_path / "lineage.jsonl", tmp_path / "mine.txt")
    found = api.replay(tmp_path / "lineage.jsonl", tmp_path / "new" / "other.py")
    assert found.line[0][0] == 0 and found.held == {} and found.budget == 1.0
    assert not api.check(str(found.output), static=True).rows


def _population(folder):
    """A lineage of two members and the record beside it, as a trial would leave them."""
    from algoperf_lite.population import evolution, lineage
    from algoperf_lite.population.config import PopulationConfig

    space = {"learning_rate": {"min": 1e-3, "max": 1e-2, "scaling": "log"}}
    first = evolution.initial(space, PopulationConfig(2, 10), 0)
    lineage.write(folder / lineage.FILE, (first, evolution.unchanged((first,), 10, (0.5, 0.4))))
    record = {
        "submission": "schedule_free_adamw+pbt(2)",
        "workload": "digits",
        "study": 0,
        "submission_source": find.locate("schedule_free_adamw").read_text(),
        "schedule": None,
        "budget": 1.0,
        "step_hint": 300,
        "pbt": {"size": 2},
    }
    (folder / "trial.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"submission": ["nadamw"]}, "unknown option of run 'submission'; did you mean 'submissio"),
        ({"num_evals": 80}, "unknown option of run 'num_evals'"),
        ({"budget_by": "step"}, "unknown budget 'step'; did you mean 'steps'?"),
        ({"num_studies": 0}, "num_studies is 0; expected a whole number >= 1"),
        ({"budgets": [2.0]}, "budget 2.0 is no part of the step hint"),
        ({"schedules": "cosine"}, "schedules is 'cosine'; expected a list"),
        ({"population": "4:exploit=none"}, "unknown exploit 'none'"),
        ({"population": 4, "vectorize": "trials"}, "nothing for --vectorize=trials to train"),
        ({"population": 4, "diagnostics": True}, "leave it or --population out"),
        ({"vectorize": "trials", "diagnostics": True}, "leave it or --vectorize=trials out"),
        ({"num_processes": 2, "diagnostics": True}, "leave it or the flags for several hosts out"),
        ({"ray_address": "a:1"}, "--ray_address is for Ray"),
        ({"workloads": ["held_out"]}, "needs --held_out_seed"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_runs(tmp_path, given, sentence):
    options = {"submissions": ["nadamw"], "workloads": ["digits"], **given}
    with pytest.raises(ValueError, match=sentence.replace("?", ".").replace("(", ".")):
        api.run(output_dir=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_an_unknown_option_of_score_names_the_nearest(finished):
    with pytest.raises(ValueError, match="unknown option of score 'present'"):
        api.score(finished[2], present=True)


def test_every_option_of_run_is_documented():
    text = inspect.getdoc(api.run)
    assert all(name in text for name in options.defaults())


def test_importing_it_is_light():
    script = "import sys; from algoperf_lite import api; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    heavy = {"jax", "flax", "optax", "matplotlib", "pandas", "sklearn", "ray", "scipy", "jinja2"}
    assert not heavy & set(found.stdout.split()), found.stderr


def test_tables_become_frames_where_pandas_is(monkeypatch):
    table = Table(api.list("benchmarks").rows)
    if importlib.util.find_spec("pandas") is not None:
        frame = table.to_frame()
        assert list(frame.columns) == ["kind", "name", "line"]
        assert len(frame) == len(table.rows)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        table.to_frame()


def _searched(root, submission):
    """Logs of fifteen points, the larger the learning rate the sooner at the target of digits."""
    for i in range(15):
        trial = root / submission / f"study_{i % 3}" / "digits_jax" / f"trial_{i // 3 + 1}"
        trial.mkdir(parents=True)
        header = "accumulated_submission_time,global_step,validation/accuracy"
        (trial / "eval_measurements.csv").write_text(
            f"{header}\n1,10,0.1\n{40 - i},300,0.99{len(submission)}\n"
        )
        point = {"learning_rate": 1e-4 * (i + 1), "b1": (7 * i % 15) / 20}
        record = {"status": "reached", "timing": "measured", "hyperparameters": point}
        (trial / "trial.json").write_text(json.dumps(record))
    return root


def test_hyperparameters_of_several_directories_and_by_the_command(tmp_path):
    parts = [_searched(tmp_path / name, name) for name in ("mine", "theirs")]
    found = api.importance(parts, benchmark="lite", only_present=True)
    assert found.nothing is None and set(found.says) == {"mine", "theirs"}
    first = found.rows[0]
    assert (first.submission, first.workload, first.hyperparameter) == (
        *("mine", None, "learning_rate"),
    )
    assert first.num_points == 15 and first.is_found and 0 < first.trend_low < first.trend
    assert found.says["mine"][0].startswith("learning_rate: larger is better")
    command = [sys.executable, "-m", "algoperf_lite", "score", *map(str, parts), "--only_present"]
    flags = ["--benchmark=lite", "--importance"]
    text = subprocess.run([*command, *flags], capture_output=True, text=True, check=True).stdout
    assert "theirs: 15 points on 1 workload" in text and "larger is better" in text
    shown = subprocess.run([*command, *flags, "--json"], capture_output=True, check=True).stdout
    [effect, _] = json.loads(shown)["importance"]["theirs"]["effects"]
    assert effect["trend"]["rho"] == pytest.approx(1.0) and effect["is_found"]


def test_without_a_search_nothing_is_said_of_hyperparameters(finished):
    found = api.importance(finished[2], only_present=True)
    assert found.rows == () and found.says == {}
    assert found.nothing.startswith("Importance needs a search: under ruleset self")
