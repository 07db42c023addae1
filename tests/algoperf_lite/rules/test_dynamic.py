"""The dry run: what it finds in files that misbehave, and nothing in files that do not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from algoperf_lite.rules import dynamic
from algoperf_lite.submission import find

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
OURS = [ROOT / "submissions" / f"{name}.py" for name in find.names()]
FOREIGN = sorted((ROOT / "tests" / "algoperf_form" / "submissions").glob("*/submission.py"))
_HEAD = """
import jax
import jax.numpy as jnp
import optax
"""
_FOREIGN_HEAD = """
import jax

def get_batch_size(workload_name):
    return 16

def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return {}, None

def data_selection(workload, input_queue, optimizer_state, current_param_container, model_state,
                   hyperparameters, global_step, rng):
    return next(input_queue)

def update_params(workload, current_param_container, current_params_types, model_state,
                  hyperparameters, batch, loss_type, optimizer_state, eval_results, global_step,
                  rng):
"""
_SGD = "def optimizer(workload, hyperparameters):\n    return optax.sgd(0.1)\n"
BAD = {
    "raises": (
        "does-not-run",
        _HEAD + "def optimizer(workload, hyperparameters):\n    raise RuntimeError('not today')\n",
    ),
    "branches": (
        "does-not-run",
        f"{_HEAD}self_tuning_point = {{'rate': 0.1}}\n"
        "def optimizer(workload, hyperparameters):\n"
        "    return optax.sgd(0.1) if hyperparameters.rate > 0 else optax.adam(0.1)\n",
    ),
    "grows": (
        "changed-structure",
        f"{_HEAD}def optimizer(workload, hyperparameters):\n"
        "    def update(grads, state, params):\n"
        "        return grads, (*state, jnp.zeros(()))\n"
        "    return optax.GradientTransformation(lambda params: (), update)\n",
    ),
    "names": (
        "name-dependent",
        f"{_HEAD}def optimizer(workload, hyperparameters):\n"
        "    rate = 0.5 if any('hidden' in name for name in workload.param_shapes) else 0.1\n"
        "    return optax.sgd(rate)\n",
    ),
    "opens": ("file-access", f"{_HEAD}open('/tmp/notes-of-a-submission', 'a').close()\n{_SGD}"),
    "starts": (
        "background-work",
        f"import threading, time\n{_HEAD}\n"
        f"threading.Thread(target=time.sleep, args=(30,), daemon=True).start()\n{_SGD}",
    ),
    "spawns": ("background-work", f"import subprocess\n{_HEAD}subprocess.run(['true'])\n{_SGD}"),
    "spoils": (
        "modified-input",
        f"{_FOREIGN_HEAD}    batch.pop('targets')\n"
        "    return ({}, None), current_param_container, model_state\n",
    ),
    "halves": (
        "changed-structure",
        f"{_FOREIGN_HEAD}"
        "    halved = jax.tree.map(lambda p: p.astype('bfloat16'), current_param_container)\n"
        "    return ({}, None), halved, model_state\n",
    ),
    "chooses": (
        "api",
        f"{_HEAD}from algoperf_lite.spec import DataSelection\n{_SGD}"
        "def data_selection(workload, hyperparameters):\n"
        "    rows = workload.num_train_examples - jnp.arange(workload.batch_size)\n"
        "    return DataSelection(lambda n: 0, lambda *_: (rows, None), lambda state, *_: state)\n",
    ),
    "misshapes": (
        "api",
        f"{_HEAD}from algoperf_lite.spec import DataSelection\n{_SGD}"
        "def data_selection(workload, hyperparameters):\n"
        "    return DataSelection(lambda n: 0, lambda *_: jnp.arange(4), lambda *_: 0)\n",
    ),
    "patches": ("monkeypatch", f"import time\n{_HEAD}time.monotonic = lambda: 0.0\n{_SGD}"),
}


def _found(paths):
    """{path: [[rule, why], ...]} by dry runs one after another, in one process of its own."""
    script = """
import json, sys
from pathlib import Path
from algoperf_lite.rules import dry_run
found = {}
for path in map(Path, sys.argv[1:]):
    found[str(path)] = [[finding.rule, finding.why] for finding in dry_run.check(path)]
print(json.dumps(found))
"""
    run = subprocess.run(
        [sys.executable, "-c", script, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


def test_nothing_is_found_in_submissions_that_keep_the_rules():
    found = _found([*OURS, *FOREIGN])
    assert len(found) == len(OURS) + len(FOREIGN) >= 26
    assert not {path: seen for path, seen in found.items() if seen}


def test_each_misbehaviour_is_found(tmp_path):
    paths = {}
    for name, (_, text) in BAD.items():
        paths[name] = tmp_path / name / f"{name}.py"
        paths[name].parent.mkdir()
        paths[name].write_text(text)
    found = _found(paths.values())
    for name, (rule, _) in BAD.items():
        seen = found[str(paths[name])]
        assert rule in [one for one, _ in seen], f"{name}: {seen}"
    assert {rule for rule, _ in BAD.values()} >= set(dynamic.RULES)


@pytest.mark.parametrize(
    ("body", "what"), [("import os\nos._exit(7)\n", "exited with code 7"), ("", "no optimizer")]
)
def test_a_process_that_dies_is_a_finding(tmp_path, body, what):
    path = tmp_path / "mine.py"
    path.write_text(body)
    assert [what in finding.why for finding in dynamic.check(path)] == [True]
