"""The modules that a value passes through on its way, followed in a real run.

    python -m tests.architecture.walk [--against REV]

A trial of two steps on `digits` is run and scored with every call of ours watched, in all
processes. Followed are `run`'s configuration (by the seed it holds), a hyperparameter point (by the
name of a hyperparameter) and a measured second (by the numbers that the ledger gives out). A module
counts where one of its functions is given or returns the value; `tracer` says how it is looked for.
A room is a file or folder directly in a package.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.architecture.figures import tree_at
from tests.architecture.sources import ROOT

_JOURNEYS = ("configuration", "point", "second")
_SEED, _NAME = 271828183, "walked_rate"
_SUBMISSION = f"""
import optax

search_space = [{{"{_NAME}": 0.002}}]

def optimizer(workload, hyperparameters):
    return optax.adam(hyperparameters.{_NAME})
"""
# The command line began as a module and is now a folder.
_MAIN = """
import sys
try:
    from algoperf_lite.cli.main import main
except ImportError:
    from algoperf_lite.cli import main
sys.argv[0] = "algoperf-lite"
sys.exit(main())
"""


def walk(root: Path) -> dict[str, list[str]]:
    """{journey: modules of the tree at `root` in the order in which they first held the value}."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "mine.py").write_text(_SUBMISSION)
        shutil.copy(Path(__file__).parent / "tracer.py", place / "sitecustomize.py")
        environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([folder, str(root)]),
            "WALK_ROOT": str(root),
            "WALK_FOUND": str(place / "found.jsonl"),
            "WALK_SEED": str(_SEED),
            "WALK_NAME": _NAME,
        }
        files = f"--submissions={place / 'mine.py'} --output_dir={place / 'out'}"
        once = "--tuning_ruleset=external --num_studies=1 --num_tuning_trials=1"
        trial = f"--workloads=digits --max_global_steps=2 --rng_seed={_SEED}"
        _command(f"run {files} {once} {trial}", root, environ)
        on_the_run = _noted(place)
        _command(f"score {place / 'out'}", root, environ)
        afterwards = _noted(place)
    # A score reads whole records, which hold configuration and point, but uses the seconds alone.
    return {**on_the_run, "second": afterwards["second"]}


def _command(arguments: str, root: Path, environ: dict[str, str]) -> None:
    line = [sys.executable, "-c", _MAIN, *arguments.split()]
    subprocess.run(line, env=environ, cwd=root, check=True, stdout=subprocess.DEVNULL)


def _noted(place: Path) -> dict[str, list[str]]:
    """The modules that all processes so far have noted, each once."""
    found: dict[str, dict[str, None]] = {journey: {} for journey in _JOURNEYS}
    for line in (place / "found.jsonl").read_text().splitlines():
        for journey, module in json.loads(line)["order"]:
            found[journey][module] = None
    return {journey: list(modules) for journey, modules in found.items()}


def _count(modules: Sequence[str]) -> str:
    rooms = {".".join(module.split(".")[:2]) for module in modules}
    return f"{len(modules)} in {len(rooms)} rooms"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.architecture.walk")
    parser.add_argument("--against", metavar="REV", help="a commit to walk as well")
    revision = parser.parse_args(argv).against
    walks = {"this tree": walk(ROOT)}
    if revision:
        with tree_at(revision) as root:
            walks[revision] = walk(root)
    print(f"| value | {' | '.join(walks)} |\n|{'---|' * (len(walks) + 1)}")
    for journey in _JOURNEYS:
        print(f"| {journey} | {' | '.join(_count(w[journey]) for w in walks.values())} |")
    for name, found in walks.items():
        for journey, modules in found.items():
            print(f"\n{journey}, {name}: {', '.join(modules)}")


if __name__ == "__main__":
    main()
