"""Environments of submissions: their requirements.txt installed beside what the harness runs on.

An environment is a venv under the cache folder that also sees every package installed here, behind
its own: pip installs what differs or is missing, and the harness stays importable. Its folder is
named by all that decides its content. Trials run with its Python; other submissions notice nothing.
"""

import contextlib
import fcntl
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from packaging.utils import canonicalize_name

from algoperf_lite.machine import devices, isolation
from algoperf_lite.storage import atomic, cache
from algoperf_lite.submission import find, requirements

Say = Callable[[str], None]
# What a trial loads of the harness, and one operation: a jaxlib that does not fit shows there.
_TRY = (
    "import algoperf_lite.trial.run, algoperf_lite.trial.vectorized, workloads; "
    "import jax; jax.numpy.ones(2).sum().block_until_ready(); print(jax.default_backend())"
)
_LINK = "packages_of_the_harness.pth"


def prepare(submissions: Iterable[Path], how: str, say: Say = lambda line: None) -> None:
    """Makes sure of what submissions ask for, before anything is calibrated.

    Args:
      submissions: their files.
      how: "installed" goes on with other versions than asked for and says so, "strict" refuses
        them, "isolated" builds an environment for each submission that asks for anything.
      say: takes lines for people.
    Raises ValueError, one sentence, where a submission cannot have what it asks for.
    """
    for submission in dict.fromkeys(submissions):
        if how == "isolated":
            _build(submission, say)
            continue
        remark = requirements.check(submission, strict=how == "strict")
        if remark is not None:
            say(remark)


def python(submission: Path) -> Path | None:
    """The interpreter of a submission's environment; None for one that asks for nothing.

    Raises ValueError where the cache folder cannot be written.
    """
    folder = _folder(submission)
    return None if folder is None else _python(folder)


def packages(submission: Path) -> tuple[Path, ...]:
    """Folders with the modules that a submission's environment has for itself; none without one."""
    folder = _folder(submission)
    return () if folder is None else (_packages(folder),)


def _folder(submission: Path) -> Path | None:
    file = requirements.file_of(submission)
    if file is None or not requirements.wanted(submission):
        return None
    kept = cache.subfolder("environments")
    if kept is None:
        raise ValueError(
            "--requirements=isolated keeps environments in the cache folder, which cannot be "
            "written; set XDG_CACHE_HOME to a folder that can"
        )
    # What is installed here is a part of it: pip leaves out what is there already.
    terms = [
        requirements.text(file),
        platform.python_implementation(),
        platform.python_version(),
        platform.machine(),
        *_package_folders(),
        *_installed(tuple((path, _changed(path)) for path in _package_folders())),
    ]
    return kept / hashlib.sha256(json.dumps(terms).encode()).hexdigest()[:24]


# Read once for each state of the folders: every trial asks, and a notebook may install in between.
@functools.cache
def _installed(folders: tuple[tuple[str, float], ...]) -> tuple[str, ...]:
    found = importlib.metadata.distributions(path=[path for path, _ in folders])
    return tuple(sorted(f"{one.metadata['Name']}=={one.version}" for one in found))


def _changed(folder: str) -> float:
    """When a name in a folder last came or went; 0 for a folder that is not there."""
    return os.stat(folder).st_mtime if os.path.isdir(folder) else 0.0


def _package_folders() -> list[str]:
    folders = list(site.getsitepackages())
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return folders


def _build(submission: Path, say: Say) -> None:
    """Builds the environment of a submission unless it is there."""
    folder = _folder(submission)
    if folder is None:
        return
    name = find.name_of(submission)
    with _locked(folder.with_suffix(".lock"), lambda: say(_waits(name))) as lock:
        # Written last: a folder without it was left by a build that was killed.
        if (folder / isolation.MANIFEST).is_file():
            return
        shutil.rmtree(folder, ignore_errors=True)
        say(f"building the environment that submission {name!r} asks for")
        log = folder.with_suffix(".log")
        with log.open("w") as output:
            problem = _install(folder, requirements.file_of(submission), output, lock)
        if problem is None:
            problem = _try(folder)
        if problem is not None:
            shutil.rmtree(folder, ignore_errors=True)
            raise ValueError(
                f"submission {name!r} cannot have an environment of its own: {problem}; the whole "
                f"output is in {log}"
            )
        # The environment's own folder alone: what is seen behind it is in the fingerprint.
        found = importlib.metadata.distributions(path=[str(_packages(folder))])
        content = {canonicalize_name(one.metadata["Name"]): one.version for one in found}
        atomic.write_json(folder / isolation.MANIFEST, content)


def _waits(name: str) -> str:
    return f"waiting for another run that builds the environment of submission {name!r}"


@contextlib.contextmanager
def _locked(path: Path, on_wait: Callable[[], None]) -> Iterator[IO[str]]:
    """An exclusive lock, waited for; the system drops it when the last process that has it ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _install(folder: Path, file: Path, output: IO[str], lock: IO[str]) -> str | None:
    """Makes the venv and lets pip install; returns the reason where that fails."""
    try:
        # The pip that is installed here serves, as the venv sees it.
        venv.EnvBuilder(symlinks=True, with_pip=importlib.util.find_spec("pip") is None).create(
            folder
        )
    except (OSError, subprocess.CalledProcessError) as error:
        return f"Python cannot make a venv ({error})"
    # `addsitedir`, and no plain path: packages that are installed to be edited are .pth files too.
    links = [f"import site; site.addsitedir({path!r})" for path in _package_folders()]
    (_packages(folder) / _LINK).write_text("\n".join(links) + "\n")
    _adopt_pip_configuration(folder)
    # pip inherits the lock: should this process be killed, nobody builds beside an orphan.
    done = subprocess.run(
        [_python(folder), "-m", "pip", "install", "--no-input", "-r", file],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COLOR": "1"},
        pass_fds=(lock.fileno(),),
        check=False,
    )
    if done.returncode == 0:
        return None
    return f"pip says {_last_words(Path(output.name))!r}"


def _adopt_pip_configuration(folder: Path) -> None:
    """Lets pip find the settings that it has here: those of a venv lie in the venv."""
    own = Path(sys.prefix) / "pip.conf"
    if own.is_file():
        (folder / "pip.conf").symlink_to(own)


def _last_words(log: Path) -> str:
    """The last line in which pip says what went wrong; hints and notes may follow it."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error:")]
    last = (errors or lines or ["nothing"])[-1]
    return last.removeprefix("ERROR:").removeprefix("error:").strip()


def _try(folder: Path) -> str | None:
    """The reason why the harness does not run in an environment; None where it does.

    A requirement may bring another JAX. Which ones do is tried: declared bounds are narrower.
    """
    done = subprocess.run(
        [_python(folder), "-c", _TRY],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        # An accelerator may be another run's, which needs nearly all of its memory.
        env={**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return f"algoperf-lite does not run with these packages ({lines[-1]})"
    # A plugin for the accelerator fits one version of JAX; with another one JAX only warns.
    if done.stdout.split()[-1:] == ["cpu"] and devices.has_accelerator():
        return "JAX finds no accelerator with these packages"
    return None


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _packages(folder: Path) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return folder / "lib" / version / "site-packages"
