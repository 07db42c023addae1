"""The Python that compiles for accelerators: which one it is, how to make it, its variables.

    python -m tests.device_less.environment

makes it in `build/device_less`, of wheels from where pip is configured to look, or says why it
cannot. JAX of today needs Python 3.12, and the plugin of CUDA has to be of JAX's version, so it is
no part of what the tests themselves run on. This module needs the standard library alone.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "device_less"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
VARIABLE = "ALGOPERF_LITE_DEVICE_LESS_PYTHON"
PLUGIN = "jax_cuda13_plugin"
OLDEST = (3, 12)

# Read when JAX is imported, so a process has to be born with them. No card may answer, even where
# there is one, and autotuning would ask it; without autotuning, some products of matrices written
# in Triton would have no shape of blocks to take.
VARIABLES = {
    "ALGOPERF_LITE_DEVICE_LESS": "1",  # of a process that is already the one it should be
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    "TPU_SKIP_MDS_QUERY": "1",
    "XLA_FLAGS": "--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false",
}


def python() -> str | None:
    """The interpreter with the plugin: the one `VARIABLE` names, the one made here, or this one."""
    # This one last, since its versions may be others than the table's.
    if VARIABLE in os.environ:
        return os.environ[VARIABLE]
    if (FOLDER / "installed").exists():
        return str(FOLDER / "bin" / "python")
    return sys.executable if importlib.util.find_spec(PLUGIN) else None


def is_ready() -> bool:
    """Whether this process was born with `variables`."""
    return all(os.environ.get(name) == value for name, value in VARIABLES.items())


def wanting() -> str:
    """What to do where there is no such interpreter, in a sentence."""
    return (
        f"no {PLUGIN} in {python() or 'any Python'}: run `python -m tests.device_less.environment`,"
        f" or let {VARIABLE} name one that has what {REQUIREMENTS.name} lists"
    )


def variables() -> dict[str, str]:
    """The environment of a process that compiles for a device it does not have."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, **VARIABLES, "PYTHONPATH": path}


def make(folder: Path) -> None:
    """Makes the interpreter in `folder`, once for each content of the requirements.

    Raises ValueError, one sentence, where there is no Python to make it with or pip fails.
    """
    wanted = REQUIREMENTS.read_text()
    done = folder / "installed"
    if done.exists() and done.read_text() == wanted:
        return
    base = _base()
    if base is None:
        raise ValueError("no Python 3.12 or newer on this machine, so nothing is compiled for GPUs")
    commands = [
        [base, "-m", "venv", "--clear", str(folder)],
        [
            *(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"),
            *("--disable-pip-version-check", "--editable", str(ROOT)),
            *("--requirement", str(REQUIREMENTS)),
        ],
    ]
    for command in commands:
        ended = subprocess.run(command, capture_output=True, text=True)
        if ended.returncode:
            # Half an installation would be taken for a whole one.
            shutil.rmtree(folder, ignore_errors=True)
            last = (ended.stderr.strip().splitlines() or ["without a word"])[-1]
            raise ValueError(f"{' '.join(command[1:4])} failed ({last}); nothing is compiled")
    done.write_text(wanted)


def _base() -> str | None:
    """A Python that is new enough; pyenv's too, whose names on the path may lead nowhere."""
    names = [sys.executable, *(f"python3.{minor}" for minor in (12, 13, 14))]
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob("3.1[2-9]*/bin/python"))
    question = f"import sys; sys.exit(sys.version_info < {OLDEST})"
    for name in [*filter(None, map(shutil.which, names)), *map(str, pyenv)]:
        if subprocess.run([name, "-c", question], capture_output=True).returncode == 0:
            return name
    return None


def main() -> None:
    try:
        make(FOLDER)
    except ValueError as error:
        print(error)  # no failure: the tests that need it are skipped
    else:
        print(FOLDER / "bin" / "python")


if __name__ == "__main__":
    main()
