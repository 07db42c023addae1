"""Every submission through the shipped conformance checks; equal numbers in any process."""

import ast
import difflib
import itertools
import subprocess
import sys
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import workloads
from algoperf_lite import spec, testing
from algoperf_lite.submission import find, native
from algoperf_lite.training.evaluation import data_sha256

# The fast tier has those that compile in a second or two.
EACH_WORKLOAD = [
    pytest.param(name, marks=() if name in ("digits", "criteo1tb") else pytest.mark.slow)
    for name in workloads.names()
]

OTHER_UNDER_VMAP = """
import optax
from jax.custom_batching import custom_vmap
search_space = {"lr": {"feasible_points": [0.1]}}
self_tuning_point = {"lr": 0.1}
rate = custom_vmap(lambda x: x)
rate.def_vmap(lambda size, batched, x: (1.1 * x, batched[0]))
def optimizer(workload, hyperparameters):
    return optax.sgd(rate(hyperparameters.lr))
"""


@pytest.mark.parametrize("name", find.names())
def test_submission_conforms(name):
    testing.check_submission(native.load(name), workloads.load("digits"))


@pytest.mark.parametrize("name", EACH_WORKLOAD)
def test_the_reference_conforms_on_every_workload(name):
    testing.check_submission(native.load("nadamw"), workloads.load(name))


@pytest.mark.slow
# Running statistics, that averaged parameters gather anew, and no matrix that Muon would take.
@pytest.mark.parametrize("name", ["schedule_free_adamw", "muon"])
def test_submission_conforms_with_batch_norm(name):
    testing.check_submission(native.load(name), workloads.load("imagenet_resnet"))


def test_who_is_another_under_vmap_does_not_conform(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(OTHER_UNDER_VMAP)
    with pytest.raises(AssertionError, match="parameters differ between vmapped and single steps"):
        testing.check_submission(native.load(str(path)), workloads.load("digits"))


@pytest.mark.parametrize("name", find.names())
def test_submission_is_short_and_complete(name):
    entry = native.load(name)
    assert len(_code_lines(entry.source)) <= 40
    assert set(entry.search_space) == set(entry.self_tuning_point)
    # Any schedule can be put in place of the file's own, at the peak that the file tunes.
    assert entry.schedule is not None
    assert "learning_rate" in entry.search_space


@pytest.mark.parametrize("name", find.names())
def test_self_tuning_point_lies_in_the_search_space(name):
    entry = native.load(name)
    for key, value in entry.self_tuning_point.items():
        space = entry.search_space[key]
        if "feasible_points" in space:
            assert value in space["feasible_points"]
        else:
            assert space["min"] <= value <= space["max"]


def test_no_two_submissions_are_alike():
    statements = {name: _statements(native.load(name).source) for name in find.names()}
    files = Counter(itertools.chain.from_iterable(map(set, statements.values())))
    own = {
        name: [line for line in lines if files[line] <= len(statements) / 2]
        for name, lines in statements.items()
    }
    for one, other in itertools.combinations(own, 2):
        similarity = difflib.SequenceMatcher(None, own[one], own[other]).ratio()
        assert similarity < 0.9, f"{one} and {other} differ in nothing but numbers"


def test_sam_takes_the_gradient_at_a_distance_rho_uphill():
    entry = native.load("sam")
    workload = workloads.load("digits")
    point = spec.hyperparameters({**entry.self_tuning_point, "rho": 0.5})
    optimizer = entry.transformation(workload, point)
    params, grads = {"w": jnp.zeros(2)}, {"w": jnp.asarray([3.0, -4.0])}
    seen = []

    def grad_fn(elsewhere, _):
        seen.append(elsewhere["w"])
        return {"w": -grads["w"]}  # such that the first gradient would lead the other way

    state = optimizer.init(params)
    for _ in range(2):  # the warmup's first step is none
        updates, state = optimizer.update(grads, state, params, value=0.0, grad_fn=grad_fn)
    np.testing.assert_allclose(seen, 2 * [[0.3, -0.4]], rtol=1e-6)
    assert np.all(np.sign(updates["w"]) == np.sign(grads["w"]))


def test_muon_takes_hidden_matrices_and_nothing_else():
    workload = workloads.load("finewebedu_lm")
    entry = native.load("muon")
    point = spec.hyperparameters(entry.self_tuning_point)
    params = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape.shape_tuple, "float32"), workload.param_shapes
    )
    state = jax.eval_shape(entry.transformation(workload, point).init, params)
    momentum = state.inner_states["muon"].inner_state[0].mu
    taken = {jax.tree_util.keystr(p) for p, _ in jax.tree_util.tree_leaves_with_path(momentum)}
    assert taken == {
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if "kernel" in jax.tree_util.keystr(path) and leaf.ndim == 2
    }
    assert len(taken) == 12


# Models of three kinds; programs of the others take half a minute to compile, twice.
@pytest.mark.parametrize(
    "name", ["digits", "criteo1tb", pytest.param("finewebedu_lm", marks=pytest.mark.slow)]
)
def test_two_processes_compute_the_same_bits(name):
    found = _in_another_process(f"testing.digest(workloads.load({name!r}), native.load('nadamw'))")
    assert len(found) == 64
    assert found == testing.digest(workloads.load(name), native.load("nadamw"))


@pytest.mark.slow
def test_two_processes_make_the_same_data():
    names = workloads.names()
    found = _in_another_process(f"*[data_sha256(workloads.load(name)) for name in {names!r}]")
    assert found.split() == [data_sha256(workloads.load(name)) for name in names]


def _in_another_process(expression):
    """What another Python prints of an expression."""
    code = (
        "import workloads\nfrom algoperf_lite import testing\n"
        "from algoperf_lite.submission import native\n"
        "from algoperf_lite.training.evaluation import data_sha256\n"
        f"print({expression})"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _code_lines(source):
    """Lines less docstring, comments, blanks and the two tables of hyperparameters (data)."""
    data = {"search_space", "self_tuning_point"}
    left_out = set()
    for node in ast.parse(source).body:
        is_table = isinstance(node, ast.Assign) and node.targets[0].id in data
        if is_table or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            left_out |= set(range(node.lineno, node.end_lineno + 1))
    lines = enumerate(map(str.strip, source.splitlines()), start=1)
    return [line for i, line in lines if i not in left_out and line and not line.startswith("#")]


def _statements(source):
    """The statements inside a file's functions, one line each, all numbers alike."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    for node in itertools.chain.from_iterable(map(ast.walk, functions)):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            node.value = 0
    return [ast.unparse(statement) for function in functions for statement in function.body]
