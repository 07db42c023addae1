"""Published submissions' traits: each file loads and trains, or is refused with one sentence."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from algoperf_lite import api, tuning
from algoperf_lite.experiment import contenders, preflight
from algoperf_lite.rules.static import check as static_check
from algoperf_lite.submission import algoperf, algoperf_shim, find, missing, reading
from algoperf_lite.trial.config import ExperimentConfig
from tests.algoperf_form import traits

EXTERNAL_RULES = tuning.Ruleset("external", 1, 2, 1.0)
SELF = ExperimentConfig(ruleset=tuning.Ruleset("self", 1, 1, 1.5))
EXTERNAL = ExperimentConfig(ruleset=EXTERNAL_RULES)


def _path(trait, folder):
    return find.locate(str(traits.write(trait, folder)))


def _is_here(name):
    return reading.is_installed(name)


@pytest.mark.parametrize("trait", traits.RUNNABLE)
def test_files_load_under_the_name_of_their_folder(tmp_path, trait):
    path = _path(trait, tmp_path)
    missing.check(path)
    with algoperf_shim.installed(path):
        entry = algoperf.load(path)
    assert entry.name == trait
    assert callable(entry.function("update_params"))


@pytest.mark.parametrize("trait", traits.RUNNABLE)
def test_honest_files_break_no_rule(tmp_path, trait):
    assert static_check.check(_path(trait, tmp_path)) == []


def test_a_missing_package_is_said_with_pips_command_and_is_no_violation(tmp_path, monkeypatch):
    installed = reading.is_installed
    monkeypatch.setattr(
        reading, "is_installed", lambda name, *more: name != "chex" and installed(name, *more)
    )
    path = _path("chex_and_jraph", tmp_path)
    (found, *others) = static_check.check(path)
    assert (found.rule, found.severity) == ("missing-import", "needs_review")
    assert found.place == "submission.py:9" and "import of `chex`" in found.why
    assert {other.rule for other in others} <= {"missing-import"}
    with pytest.raises(ValueError, match=r"run: pip install 'algoperf-lite\[algoperf\]'$"):
        missing.check(path)
    # Nothing runs what cannot be imported, so the check says no more than that.
    assert api.check(str(path)).num_violations == 0


@pytest.mark.parametrize(
    ("trait", "module", "framework"),
    [("for_pytorch", "torch", "PyTorch"), ("for_tensorflow", "tensorflow", "TensorFlow")],
)
def test_files_for_other_frameworks_are_refused(tmp_path, trait, module, framework):
    path = _path(trait, tmp_path)
    with pytest.raises(ValueError) as refused:
        missing.check(path)
    assert str(refused.value) == (
        f"submission {trait!r} imports {module}: this is a {framework} submission; "
        "algoperf-lite runs JAX submissions, so give the one in JAX"
    )
    found = static_check.check(path)
    assert ("other-framework", "violation") in {(one.rule, one.severity) for one in found}


def test_a_refusal_comes_before_anything_runs_or_is_written(tmp_path):
    folder = traits.write("for_pytorch", tmp_path)
    with pytest.raises(ValueError, match="this is a PyTorch submission"):
        api.run([str(folder)], ["digits"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_space_one_level_up_is_found_and_belongs_to_the_submission(tmp_path):
    path = _path("space_one_level_up", tmp_path)
    with algoperf_shim.installed(path):
        entry = algoperf.load(path)
    assert entry.point(EXTERNAL_RULES, 0, 0, 2) == {"learning_rate": 0.002}
    before = find.source_sha256(path)
    (tmp_path / "space_one_level_up" / "tuning_search_space.json").write_text('[{"a": 1}]')
    assert find.source_sha256(path) != before


@pytest.mark.parametrize(
    ("space", "config", "why"),
    [
        ('{"a": {"min": "x"}}', SELF, "expected two finite numbers"),
        ('{"a": {"min": 1, "max": 2, "scaling": "cubic"}}', EXTERNAL, "expected 'log' or 'linear'"),
        ("[1, 2]", EXTERNAL, "a list whose entries are not dicts"),
        ('[{"a": 1}]', EXTERNAL, "'space_one_level_up': search_space lists 1 points but"),
        ("{", SELF, "is no valid JSON"),
    ],
)
def test_a_malformed_search_space_is_refused_by_the_command(tmp_path, space, config, why):
    folder = traits.write("space_one_level_up", tmp_path)
    (folder / "tuning_search_space.json").write_text(space)
    with pytest.raises(ValueError, match=why):
        preflight.check(contenders.contenders([str(folder)]), config)


def test_a_missing_or_native_search_space_is_looked_at_too(tmp_path):
    entries = contenders.contenders([str(traits.write("removed_names", tmp_path))])
    preflight.check(entries, SELF)
    with pytest.raises(ValueError, match="has no tuning_search_space.json"):
        preflight.check(entries, EXTERNAL)
    native = tmp_path / "mine.py"
    text = "import optax\nsearch_space = {}\ndef optimizer(w, hp): return optax.sgd(0.1)\n"
    native.write_text(text.format("{'a': 3}"))
    with pytest.raises(ValueError, match="submission 'mine': search_space"):
        preflight.check(contenders.contenders([str(native)]), SELF)
    native.write_text(text.format("dict(a=3)"))  # computed: only running it can tell
    preflight.check(contenders.contenders([str(native)]), SELF)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("from jax import no_such_name", r"'mine' cannot be imported \(ImportError: cannot import"),
        ("raise AttributeError('gone')", r"AttributeError: gone, submission.py line 8\)"),
        ("jax.devices('no_such_platform')", None),  # its trials may have such a device
    ],
)
def test_a_file_that_fails_when_it_is_imported_is_a_problem(tmp_path, line, said):
    folder = tmp_path / "mine"
    folder.mkdir()
    text = traits.TRAITS["space_one_level_up"]["jax/submission.py"]
    (folder / "submission.py").write_text(text.replace("from algoperf import spec", line, 1))
    problem = preflight._problem_of_loading(folder / "submission.py")
    if said is None:
        assert problem is None
    else:
        assert re.search(said, problem or ""), problem


def test_only_files_in_algoperfs_form_are_run_beforehand(tmp_path):
    foreign = str(traits.write("removed_names", tmp_path))
    native = contenders.contenders(["nadamw", "adamw"])
    assert preflight.jobs(native, ["digits"], SELF) == []
    (job,) = preflight.jobs([*native, *contenders.contenders([foreign])], ["digits"], SELF)
    assert job.payload["foreign"] == [f"{foreign}/submission.py"] and job.python is None
    assert preflight.work(job.payload, lambda **event: None) == {"problem": None}
    Path(foreign, "submission.py").write_text("import jax.no_such_module\ndef update_params(): 1")
    problem = preflight.work(job.payload, lambda **event: None)["problem"]
    assert problem.startswith("submission 'removed_names' cannot be imported (ModuleNotFoundError")


@pytest.mark.slow
@pytest.mark.parametrize("trait", ["removed_names", "helper_by_published_path"])
def test_honest_files_break_no_rule_when_they_run(tmp_path, trait):
    assert api.check(str(_path(trait, tmp_path))).num_violations == 0


@pytest.mark.slow
def test_traits_train_in_one_experiment(tmp_path):
    folders = [traits.write(trait, tmp_path) for trait in traits.RUNNABLE]
    # Stand-ins: what is tried is that a package that is there is used, not what is in it.
    folders.append(traits.write("chex_and_jraph", tmp_path))
    for package in ("chex", "jraph"):
        if not _is_here(package):
            (tmp_path / "packages" / package).mkdir(parents=True)
            (tmp_path / "packages" / package / "__init__.py").write_text("")
    root = Path(__file__).parents[3]
    paths = os.pathsep.join([str(root), str(tmp_path / "packages")])
    names = ",".join(map(str, folders))
    done = subprocess.run(
        [sys.executable, "-m", "algoperf_lite", "run", f"--submissions={names}"]
        + ["--workloads=digits", "--max_global_steps=3", "--budget_by=steps", "--num_studies=1"]
        + ["--tuning_ruleset=self", f"--output_dir={tmp_path / 'out'}"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        cwd=root,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(path.read_text()) for path in (tmp_path / "out").rglob("trial.json")]
    found = {record["submission"]: (record["status"], record["error"]) for record in records}
    assert found == {folder.name: ("not_reached", None) for folder in folders}
