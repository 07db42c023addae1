"""Arrows of import point one way; TensorFlow stays out; scoring and the command line are light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("algoperf_lite", "workloads", "submissions", "scoring", "benchmarks", "studies")
# For each module of the harness, a number that grows along the arrows: imports go to lower ones.
LEVELS = {
    "spec": 0,
    "names": 0,
    "cache": 0,
    "clock": 0,
    "batches": 0,
    "unison": 0,
    "tuning": 0,
    "schedule_names": 1,
    "population_rules": 1,
    "population": 2,
    "lineage": 3,
    "schedules": 2,
    "schedule_plot": 3,
    "workload_view": 1,
    "submission": 2,
    "rules": 6,
    "probes": 1,
    "dry_run": 8,
    "surroundings": 0,
    "out_of_memory": 0,
    "algoperf_shim": 1,
    "algoperf_form": 3,
    "one_by_one": 7,
    "algoperf_trial": 8,
    "trial_spec": 3,
    "optimizers": 1,
    "evaluation": 1,
    "trial_logs": 1,
    "checkpoints": 2,
    "programs": 1,
    "attempts": 2,
    "resume": 5,
    "algoperf_state": 6,
    "population_layout": 1,
    "batch_layout": 1,
    "stepping": 3,
    "population_stepping": 4,
    "hardware": 4,
    "output_directory": 5,
    "executors": 5,
    "core_locks": 0,
    "register": 2,
    "ray_node": 6,
    "ray_executor": 7,
    "ray_cluster": 5,
    "executor_flags": 8,
    "trial_stage": 5,
    "trial_books": 6,
    "trial": 9,
    "population_progress": 9,
    "population_actor": 10,
    "population_trial": 11,
    "population_flags": 4,
    "host_flags": 4,
    "hosts": 6,
    "host_share": 7,
    "population_check": 6,
    "chunking": 5,
    "replay": 4,
    "population_groups": 7,
    "vectorized": 10,
    "testing": 7,
    "catalog": 6,
    "trial_jobs": 6,
    "experiment": 7,
    "progress": 5,
    "cli": 9,
}


def _imports(path, whole=True):
    """Modules that a file imports; `whole=False` leaves out those inside functions."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if whole else tree.body
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(package):
    return [path for path in (ROOT / package).rglob("*.py")]


@pytest.mark.parametrize("path", _files("algoperf_lite"), ids=lambda path: path.stem)
def test_the_harness_imports_downward(path):
    own = path.relative_to(ROOT / "algoperf_lite").parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for name in _imports(path):
        package, _, module = name.partition(".")
        module = module.partition(".")[0]
        if package == "algoperf_lite" and module in LEVELS and module != own:
            assert LEVELS[module] < LEVELS[own], f"{own} imports {module}"
        if package == "scoring":
            assert own in ("cli", "catalog"), f"{own} imports scoring"


def test_workloads_and_submissions_know_nothing_of_the_runner():
    allowed = {"spec", "schedules", "optimizers", "names", "cache"}
    for package in ("workloads", "submissions"):
        for path in _files(package):
            for name in _imports(path):
                if name.startswith("algoperf_lite."):
                    assert name.split(".")[1] in allowed, f"{path} imports {name}"
                assert not name.startswith(("scoring", "benchmarks")), f"{path} imports {name}"


def test_scoring_knows_nothing_of_ours():
    for path in _files("scoring"):
        for name in _imports(path):
            assert name.split(".")[0] not in ("algoperf_lite", "workloads", "submissions", "jax")


def test_nothing_imports_tensorflow_when_it_is_imported():
    for package in PACKAGES:
        for path in _files(package):
            assert not any(name.startswith("tensorflow") for name in _imports(path, whole=False))


def _loaded_after(code):
    script = f"{code}\nimport sys\nprint(*sorted(name.partition('.')[0] for name in sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(found.stdout.splitlines()[-1].split())


def test_the_command_line_and_scoring_load_neither_jax_nor_matplotlib():
    heavy = {"jax", "flax", "optax", "matplotlib", "pandas", "sklearn", "tensorflow", "ray"}
    assert not heavy & _loaded_after("import scoring, algoperf_lite.cli")
    run = "from algoperf_lite import experiment, executors, submission, progress, hosts"
    assert not heavy & _loaded_after(run)
    parse = "from algoperf_lite import schedule_names; schedule_names.parse('uba:phi=5').label"
    assert not heavy & _loaded_after(parse)


def test_a_run_never_loads_tensorflow(tmp_path):
    code = f"""
from algoperf_lite import tuning
from algoperf_lite.trial import run as trial
from algoperf_lite.trial.spec import TrialSpec
rules = tuning.Ruleset("self", 1, 1, 1.0)
spec = TrialSpec("nadamw", "digits", "lite", 0, 1, 0, rules, {str(tmp_path)!r}, max_global_steps=2)
assert trial.run(spec).steps == 2
"""
    loaded = _loaded_after(code)
    assert "jax" in loaded
    assert not loaded & {"tensorflow", "tensorflow_datasets", "torch"}
