"""Environments of submissions: built once, whole or not at all, with what a file asks for."""

import importlib.metadata
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import wheels

from algoperf_lite.machine import isolation
from algoperf_lite.storage import cache
from algoperf_lite.submission import environments

pytestmark = pytest.mark.slow  # each build tries the harness in its environment


@pytest.fixture
def asking(tmp_path, monkeypatch):
    """A submission whose requirements.txt has a text; pip sees the wheels of `tmp_path/wheels`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wheels.use_alone(monkeypatch, tmp_path / "wheels")
    for version in ("1.0", "2.0"):
        wheels.write(tmp_path / "wheels", "tinypackage", version)

    def asking(text, name="mine"):
        path = tmp_path / name / "submission.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("def update_params(): pass\n")
        (path.parent / "requirements.txt").write_text(text)
        return path

    return asking


def _says(python, code):
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_it_is_built_once_with_what_is_asked_for_beside_the_harnesss_own(asking):
    one, two = asking("tinypackage==1.0\n"), asking("tinypackage\n", "other")
    said = []
    environments.prepare([one, two, one], "isolated", said.append)
    assert said == [
        "building the environment that submission 'mine' asks for",
        "building the environment that submission 'other' asks for",
    ]
    environments.prepare([one, two], "isolated", said.append)
    assert len(said) == 2
    for submission, version in ((one, "1.0"), (two, "2.0")):
        python = environments.python(submission)
        code = "import tinypackage, jax, algoperf_lite; print(tinypackage.VERSION, jax.__version__)"
        assert _says(python, code) == f"{version} {importlib.metadata.version('jax')}"
        code = "from algoperf_lite.machine.isolation import own_packages; print(own_packages())"
        assert _says(python, code) == str({"tinypackage": version})
    assert isolation.own_packages() == {}
    # Another text is another environment; the first one is as it was.
    asking("tinypackage==2.0\n")
    assert environments.python(one) != environments.python(asking("tinypackage==1.0\n"))


def test_a_package_replaces_the_harnesss_own_and_times_stay_comparable(asking, tmp_path):
    # The modules are still the installed ones: the harness would not run without.
    wheels.write(tmp_path / "wheels", "optax", "99.0", has_module=False)
    submission = asking("optax==99\n")
    environments.prepare([submission], "isolated")
    code = (
        "import json; from algoperf_lite.machine import fingerprint as f; "
        "print(json.dumps(f.fingerprint()))"
    )
    pythons = (environments.python(submission), sys.executable)
    inside, outside = (json.loads(_says(python, code)) for python in pythons)
    assert inside.pop("own_packages") == {"optax": "99.0"}
    assert inside["versions"].pop("optax") == "99.0"
    assert outside["versions"].pop("optax") != "99.0"  # nothing here has changed
    assert inside == outside  # the key among them


def test_what_pip_cannot_find_is_its_last_line_and_leaves_nothing(asking):
    submission = asking("tinypackage==3.0\n")
    with pytest.raises(ValueError) as error:
        environments.prepare([submission], "isolated")
    assert "submission 'mine' cannot have an environment of its own" in str(error.value)
    assert "pip says 'No matching distribution found for tinypackage==3.0'" in str(error.value)
    log = str(error.value).rpartition("output is in ")[2]
    assert "tinypackage" in Path(log).read_text()
    assert not environments.python(submission).exists()


def test_packages_on_which_the_harness_does_not_run_are_refused(asking, tmp_path):
    wheels.write(tmp_path / "wheels", "optax", "0.0.1")
    with pytest.raises(ValueError, match=r"algoperf-lite does not run with these packages \("):
        environments.prepare([asking("optax==0.0.1\n")], "isolated")


def test_what_a_killed_build_left_is_built_again(asking):
    submission = asking("tinypackage==1.0\n")
    folder = environments.python(submission).parents[1]
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text("half")
    environments.prepare([submission], "isolated")
    assert _says(environments.python(submission), "import tinypackage") == ""
    assert json.loads((folder / isolation.MANIFEST).read_text()) == {"tinypackage": "1.0"}


def test_a_second_build_waits_for_the_first(asking):
    submission, said = asking("tinypackage==1.0\n"), [[], []]
    runs = [
        threading.Thread(target=environments.prepare, args=([submission], "isolated", lines.append))
        for lines in said
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    lines = sorted(said[0] + said[1])
    assert lines[0].startswith("building")
    assert lines[1:] in ([], [environments._waits("mine")])


def test_a_cache_that_cannot_be_written_is_said(asking, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ValueError, match="set XDG_CACHE_HOME"):
        environments.prepare([asking("tinypackage\n")], "isolated")


def test_a_submission_that_asks_for_nothing_has_none(asking):
    submission = asking("# nothing\n")
    environments.prepare([submission], "isolated", pytest.fail)
    assert environments.python(submission) is None
    assert not cache.folder().exists()
