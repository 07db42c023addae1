"""Paths that cannot be used: one sentence, the exit code of a wrong command, and no traceback."""

import os
import shutil
import subprocess
import sys

import calibrated
import pytest

from algoperf_lite.trial import logs

pytestmark = pytest.mark.slow
CLI = [sys.executable, "-m", "algoperf_lite"]


def _command(*arguments, **environment):
    words = list(map(str, arguments))
    return subprocess.run(
        [*CLI, *words], capture_output=True, text=True, timeout=300, env=environment or None
    )


def _check_is_one_sentence(done, *parts):
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("algoperf-lite: ") and done.stderr.count("\n") == 1, done.stderr
    for part in parts:
        assert part in done.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The output directory of an experiment that has ended."""
    output = tmp_path_factory.mktemp("finished") / "out"
    calibrated.prepare(output)
    done = _command("run", *calibrated.FLAGS, "--submissions=nadamw", f"--output_dir={output}")
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture
def read_only(tmp_path):
    """A folder in which not even root can write."""
    folder = tmp_path / "read_only"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("it can only be mounted by root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text("not a folder\n")
    return path


def test_an_output_directory_that_is_none(file, read_only):
    for path, why in (
        (file, "Not a directory"),
        (file / "out", "Not a directory"),
        (read_only / "out", "Read-only file system"),
        (read_only, "Read-only file system"),
    ):
        done = _command("run", *calibrated.FLAGS, "--submissions=nadamw", f"--output_dir={path}")
        _check_is_one_sentence(done, f"'{path}' cannot be used ({why})", "another --output_dir")
    assert file.read_text() == "not a folder\n"


@pytest.mark.parametrize(
    "command",
    [
        ("plot_schedules", "--schedules=cosine", "--output={}.svg"),
        ("score", "{finished}", "--only_present", "--by=steps", "--plot={}"),
        ("report", "{finished}", "--only_present", "--by=steps", "--output={}.html"),
        ("report", "{finished}", "--only_present", "--by=steps", "--output={page}", "--figures={}"),
    ],
    ids=lambda command: command[0] + command[-1][:3],
)
def test_an_output_that_cannot_be_written(command, finished, file, read_only, tmp_path):
    for path in (file / "deep" / "x", read_only / "x"):
        page = tmp_path / "page.html"
        words = [word.format(path, finished=finished, page=page) for word in command]
        _check_is_one_sentence(_command(*words), "cannot use ", "give another path")


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "HOME"])
def test_a_cache_that_cannot_be_written_is_said_once_and_done_without(variable, file, tmp_path):
    output = tmp_path / "out"
    calibrated.prepare(output)
    environment = {k: v for k, v in os.environ.items() if k != "XDG_CACHE_HOME"}
    done = _command(
        *("run", *calibrated.FLAGS, "--submissions=nadamw,nesterov", f"--output_dir={output}"),
        **{**environment, variable: str(file)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert said.count("cannot keep anything in") == 1 and "set XDG_CACHE_HOME" in said
    assert "Traceback" not in said
    for name in ("nadamw", "nesterov"):
        directory = output / name / "study_0" / "digits_jax" / "trial_1"
        assert logs.read_record(directory)["status"] == "not_reached"
    assert file.read_text() == "not a folder\n"


def test_calibrating_does_without_a_cache_too(file):
    done = _command(
        "calibrate", "--workloads=digits", **{**os.environ, "XDG_CACHE_HOME": str(file)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "digits" in done.stdout
    assert done.stderr.count("cannot keep anything in") == 1
