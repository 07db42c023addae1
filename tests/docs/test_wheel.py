"""The wheel: built, installed into an empty environment, and run from another directory."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("algoperf_lite", "workloads", "submissions", "scoring")
DATA = (".json", ".js", ".css", ".j2")  # what code reads beside itself
# The tour on the smallest of its workloads: everything it does, in a tenth of the time.
SHORT_QUICKSTART = """
from algoperf_lite.cli import main
from algoperf_lite.experiment import selection

selection.QUICK = ("digits",)
main.main(["algoperf-lite", "quickstart", "--output_dir=tour"])
"""

pytestmark = pytest.mark.slow


class Installed(NamedTuple):
    """An environment with the wheel: its scripts, and a directory to run them from."""

    scripts: Path
    elsewhere: Path

    def run(self, *command: str) -> str:
        """Standard output of a command that succeeds, without the repository on any path."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        program = [str(self.scripts / command[0]), *command[1:]]
        found = subprocess.run(
            program, capture_output=True, text=True, cwd=self.elsewhere, env=environment
        )
        assert found.returncode == 0, f"{command}: {found.stdout}\n{found.stderr}"
        return found.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    # A copy is built: pip works inside the folder, and an old `build/` there would be packed too.
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    _pip("wheel", str(source), "--no-deps", *_isolation(), f"--wheel-dir={target}")
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    root = tmp_path_factory.mktemp("installed")
    # As many users have it: the environment lies inside a repository of theirs, which is not ours.
    subprocess.run(["git", "init", "--quiet", root], check=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    commit = ["commit", "--quiet", "--allow-empty", "--message=theirs"]
    subprocess.run(["git", "-C", root, *author, *commit], check=True)
    environment = root / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    _pip(f"--python={python}", "install", "--no-deps", "--no-index", str(wheel))
    # Dependencies are those of this environment. A line of a .pth file adds the folder alone: .pth
    # files inside it, such as that of an editable installation of the repository, are not read.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = environment / "lib" / version / "site-packages"
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    elsewhere = root / "elsewhere"
    elsewhere.mkdir()
    return Installed(environment / "bin", elsewhere)


def test_the_wheel_holds_the_packages_and_what_they_read(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.partition("/")[0] for name in packed if ".dist-info/" not in name}
    assert tops == set(PACKAGES)
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("*")]
    wanted = {str(p.relative_to(ROOT)) for p in files if p.suffix in (".py", *DATA)}
    assert any(name.endswith(".j2") for name in wanted)
    assert wanted <= packed, sorted(wanted - packed)


def test_an_installed_wheel_runs_from_another_directory(installed):
    imports = f"import {', '.join(PACKAGES)}; print(*(m.__file__ for m in ({', '.join(PACKAGES)})))"
    for file in installed.run("python", "-c", imports).split():
        assert file.startswith(str(installed.scripts.parent)), file
    assert "finewebedu_lm" in installed.run("algoperf-lite", "list")
    said = installed.run("python", "-c", SHORT_QUICKSTART)
    assert "over 1 workload" in said and "quickstart took" in said
    tour = installed.elsewhere / "tour"
    assert "<script" in (tour / "report.html").read_text()
    assert (tour / "profile.svg").exists()
    records = [json.loads(path.read_text()) for path in tour.glob("*/study_0/*/trial_1/trial.json")]
    assert len(records) == 3
    for record in records:
        assert record["status"] in ("reached", "not_reached"), record["error"]
        # The commit of an enclosing repository is not the code's.
        assert record["fingerprint"]["git_commit"] is None


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def _isolation() -> tuple[str, ...]:
    """Build without a download where this environment has what the build needs."""
    try:
        major, minor = importlib.metadata.version("setuptools").split(".")[:2]
    except importlib.metadata.PackageNotFoundError:
        return ()
    return ("--no-build-isolation",) if (int(major), int(minor)) >= (70, 1) else ()
