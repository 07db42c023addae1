"""Imports point one way, and the rooms that must start quickly load no JAX."""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence

import pytest

from tests.architecture.sources import ROOT, Sources, circles, folders, room_in

# fmt: off
# A file of `algoperf_lite` imports only from rooms to its left. Every import counts, also those
# inside functions and under TYPE_CHECKING: a reader has to follow them all the same.
ORDER = (
    "storage", "did_you_mean", "data", "spec", "tuning", "machine", "schedules",
    "optimizers", "submission", "training", "testing", "population", "executors", "trial", "rules",
    "experiment", "api", "cli",
)
SCORING_ORDER = (
    "benchmark", "logs", "protocol", "stats", "leaderboard", "views", "exports", "watch", "board",
)

# A module that is found by its name as text escapes a reader of imports, so each has a reason.
DYNAMIC = {
    "algoperf_lite.executors.child": "the job's module is named by the process that sent it",
    "algoperf_lite.executors.template": "the module of the jobs that a template is to fork",
    "algoperf_lite.executors.multihost.member": "the same, for a job that several hosts share",
    "algoperf_lite.submission.algoperf_files": "a submission is a file anywhere, no module of ours",
    "algoperf_lite.submission.algoperf_shim.neighbours": "helpers lie where the submission does",
    "algoperf_lite.submission.algoperf_shim.put_back": "names that JAX removed stand in a table",
    "algoperf_lite.submission.native": "a submission is a file anywhere, no module of ours",
    "algoperf_lite.experiment.data_sets.families": "a family's reader lies in the family's folder",
    "workloads": "a family is a folder, so that adding one changes no list",
    "workloads.linen": "the same, for the reader that lies beside a family's workload",
    "workloads.outside": "a family may be a folder anywhere, no module of ours",
}

# Of the harness, submissions and workloads may know the contract and what builds on it.
CONTRACT = ("spec", "schedules", "optimizers", "did_you_mean", "storage.cache", "data")

# Modules (or all modules of a package) that start without JAX, which takes a second to load: the
# command line answers at once, and the process that only watches trials stays small.
NO_JAX = (
    "storage", "did_you_mean", "tuning", "machine", "experiment", "executors", "cli", "api",
    "schedules.text", "submission.find", "rules.findings", "rules.rulebook", "rules.static",
    "rules.report", "rules.dynamic", "training.clock", "training.calibration",
    "population.config", "population.evolution", "population.lineage",
    "trial.spec", "trial.record", "trial.logs", "trial.attempts", "trial.checkpoints",
)
WITH_JAX = {
    "algoperf_lite.executors.multihost.member": "it runs in the job, where JAX is at work anyway",
}
# Of `scoring`, everything: a leaderboard stands on the screen in less time than JAX takes to load.
HEAVY = ("jax", "flax", "optax", "matplotlib", "pandas", "sklearn", "tensorflow", "ray")
# fmt: on

SOURCES = Sources()


@pytest.mark.parametrize(
    ("package", "order"), [("algoperf_lite", ORDER), ("scoring", SCORING_ORDER)]
)
def test_rooms_import_from_rooms_to_their_left(package, order):
    rooms = {room_in(package)(module.name) for module in SOURCES.inside(package)} - {None}
    without_place = rooms - set(order)
    assert not without_place, "add the new room to the order"
    to_the_right = [
        f"{place}: {start} imports {end}"
        for (start, end), places in SOURCES.arrows(package, room_in(package)).items()
        if order.index(end) > order.index(start)
        for place in places
    ]
    assert not to_the_right, "\n".join(to_the_right)


@pytest.mark.parametrize("package", [*folders(SOURCES, "algoperf_lite"), "scoring", "workloads"])
def test_there_is_no_circle(package):
    arrows = SOURCES.arrows(package, room_in(package))
    found = {pair: arrows[pair] for circle in circles(arrows) for pair in _within(arrows, circle)}
    assert not found, "\n".join(f"{pair}: {', '.join(places)}" for pair, places in found.items())


def _within(arrows, circle):
    return [pair for pair in arrows if set(pair) <= set(circle)]


def test_modules_are_found_by_name_only_where_a_reason_is_given():
    hidden = {
        module.place(one.line): module.name
        for module in SOURCES.modules.values()
        for one in SOURCES.imports(module)
        if one.place == "dynamic"
    }
    without = [place for place, name in hidden.items() if name not in DYNAMIC]
    assert not without, f"imports by text without a reason in DYNAMIC: {without}"
    assert set(DYNAMIC) <= set(hidden.values()), "a reason in DYNAMIC has outlived its import"


def test_workloads_and_submissions_know_only_the_contract():
    allowed = tuple(f"algoperf_lite.{name}" for name in CONTRACT)
    for package, own in (("workloads", ("workloads",)), ("submissions", ("submissions",))):
        for module in SOURCES.inside(package):
            for one in SOURCES.imports(module):
                if one.target.partition(".")[0] in ("algoperf_lite", "scoring", "studies"):
                    assert one.target.startswith(allowed), f"{module.place(one.line)}: {one.target}"
                if one.target.startswith(("workloads", "submissions")):
                    assert one.target.startswith(own), f"{module.place(one.line)}: {one.target}"


def test_scoring_knows_nothing_of_the_rest():
    ours = ("algoperf_lite", "workloads", "submissions", "studies", "benchmarks", "jax")
    for module in SOURCES.inside("scoring"):
        for one in SOURCES.imports(module):
            assert one.target.partition(".")[0] not in ours, module.place(one.line)


def test_nothing_imports_tensorflow():
    # The readers of full-scale data may, inside a function: converting is no part of a run.
    for module in SOURCES.modules.values():
        for one in SOURCES.imports(module):
            is_tensorflow = one.target.startswith("tensorflow")
            assert not (is_tensorflow and one.place != "function"), module.place(one.line)


_IMPORT = """
import importlib, sys
for name in {names}:
    importlib.import_module(name)
sys.exit(", ".join(package for package in {heavy} if package in sys.modules) or None)
"""


def test_the_quick_rooms_load_nothing_heavy():
    names = [
        name
        for name in SOURCES.modules
        if _is_below(name, NO_JAX, "algoperf_lite.") and not _is_below(name, WITH_JAX)
    ]
    names += [name for name in SOURCES.modules if _is_below(name, ("scoring",))]
    if _heavy(names):
        # Only a process of its own tells which module it was, as the first one loads it for all.
        culprits = {name: _heavy([name]) for name in names}
        lines = [f"{name} loads {loaded}" for name, loaded in culprits.items() if loaded]
        raise AssertionError("\n".join(lines))


def _is_below(name: str, rooms: Iterable[str], package: str = "") -> bool:
    return any(f"{name}.".startswith(f"{package}{room}.") for room in rooms)


def _heavy(names: list[str]) -> str:
    """The heavy packages that are loaded once a fresh process has imported all of `names`."""
    done = _python("-c", _IMPORT.format(names=names, heavy=HEAVY))
    return done.stderr.strip()


@pytest.mark.slow
def test_no_process_of_a_run_loads_tensorflow(tmp_path):
    # Stand-ins of these names note that they were asked for, in whichever process it was.
    for package in ("tensorflow", "tensorflow_datasets", "torch"):
        (tmp_path / f"{package}.py").write_text(
            f"open({str(tmp_path / 'asked')!r}, 'a').write({package!r})\n"
            f"raise ImportError({package!r})\n"
        )
    options = "--submissions=nadamw --workloads=digits --max_global_steps=2 --budget_by=steps"
    once = "--tuning_ruleset=self --num_studies=1"
    done = _python(
        *("-m", "algoperf_lite", "run", *options.split(), *once.split()),
        f"--output_dir={tmp_path / 'experiment'}",
        path=[str(tmp_path), str(ROOT)],
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "experiment").rglob("eval_measurements.csv"))
    assert not (tmp_path / "asked").exists(), (tmp_path / "asked").read_text()


def _python(*arguments: str, path: Sequence[str] = (str(ROOT),)) -> subprocess.CompletedProcess:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environ, cwd=ROOT)
