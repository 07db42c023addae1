"""Every rule catches what breaks it and lets its near miss pass; honest submissions pass whole."""

import ast
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf_lite import rules
from algoperf_lite.rules import dynamic
from algoperf_lite.rules.static import check
from algoperf_lite.rules.static.scopes import Scopes

TESTS = Path(__file__).parents[2]
SUBMISSIONS = sorted((TESTS.parent / "submissions").glob("[a-z]*.py"))
ALGOPERF_SUBMISSIONS = sorted((TESTS / "algoperf_form" / "submissions").glob("*/submission.py"))
NATIVE = """
import functools
import jax
import jax.numpy as jnp
import numpy as np
import optax

def optimizer(workload, hyperparameters):
    return optax.sgd(0.1)

"""
ALGOPERF = """
def get_batch_size(workload_name):
    return {"ogbg": 512, "wmt": 128}[workload_name]

def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return model_params, None

def update_params(workload, current_param_container, current_params_types, model_state,
                  hyperparameters, batch, loss_type, optimizer_state, eval_results, global_step,
                  rng):
    return optimizer_state, current_param_container, model_state

def data_selection(workload, input_queue, optimizer_state, current_param_container, model_state,
                   hyperparameters, global_step, rng):
    return next(input_queue)

"""
NUMBERS = str([0.5] * 65)
V, R = "violation", "needs_review"

# (rule, severity, what follows NATIVE)
CAUGHT = [
    ("workload-identity", V, "def f(workload):\n    return workload.name"),
    ("workload-identity", V, "def f(workload):\n    return type(workload).__name__"),
    ("workload-identity", V, "def f(workload):\n    return f'{workload}'"),
    ("workload-identity", V, "def f(workload):\n    return str(workload.loss_fn)"),
    ("workload-identity", V, "def f(workload):\n    return getattr(workload, 'name')"),
    ("workload-identity", V, "def f(workload):\n    return workload.loss_fn.__qualname__"),
    ("workload-identity", V, "def f(workload):\n    w = workload\n    return w.name"),
    ("workload-identity", V, "def f(workload):\n    return g(workload)\ndef g(w): return w.name"),
    (
        "workload-identity",
        V,
        "def f(workload):\n    return jax.jit(g)(workload)\ndef g(w): return w.name",
    ),
    (
        "workload-identity",
        V,
        "def f(workload):\n    match workload:\n        case object(name=n):\n            return n",
    ),
    ("workload-identity", V, "def batch_size(w):\n    return len(w.name)"),
    (
        "workload-identity",
        V,
        "_KNOWN = {}\ndef get_batch_size(name):\n    _KNOWN['name'] = name\n    return 8",
    ),
    ("workload-internals", V, "def f(workload):\n    return workload._vocab_size"),
    ("workload-internals", R, "def f(workload):\n    return workload.vocab_size"),
    ("workload-internals", R, "def f(workload):\n    return hasattr(workload, 'vocab_size')"),
    ("held-out-data", V, "def f(workload):\n    return workload.validation_target_value"),
    ("held-out-data", V, "def f(thing):\n    return thing._build_input_queue(0, 'test')"),
    ("held-out-data", V, "def f(w):\n    return getattr(w, 'eval_dataset')('validation')"),
    ("held-out-data", V, "def f():\n    return jax.live_arrays()"),
    ("held-out-data", R, "class A:\n    def f(self):\n        return self.dataset"),
    ("held-out-data", V, "class A:\n    def f(self):\n        return self.w.dataset"),
    ("introspection", V, "class A:\n    def f(self):\n        return self.__mro__"),
    ("workload-table", V, "RATES = {'ogbg': 1e-3, 'other': 1e-2}"),
    ("workload-table", V, "def f(name):\n    return 1e-3 if name == 'wmt' else 1e-2"),
    ("workload-table", V, "def f(name):\n    return name in ('imagenet_resnet_silu', 'a')"),
    ("workload-table", V, "def f(name):\n    return name.startswith('librispeech')"),
    (
        "workload-table",
        V,
        "def f(x):\n    match x:\n        case 'mnist' | 'y':\n            return 1",
    ),
    ("workload-table", R, "def f(x):\n    return g(x, 'fastmri')\ndef g(x, y): return x"),
    ("workload-table", R, "def f(path):\n    return 'conformer' in path"),
    (
        "workload-table",
        V,
        "SIZES = {'ogbg': 1}\ndef get_batch_size(n): return SIZES[n]\ndef f(n): return SIZES[n]",
    ),
    ("parameter-fingerprint", V, "def f(leaves):\n    return len(leaves) == 123456"),
    ("parameter-fingerprint", V, "def f(leaf):\n    return leaf.shape == (512, 1024)"),
    ("parameter-fingerprint", V, "def f(leaf):\n    return leaf.shape in [(16, 9), (2, 3)]"),
    ("parameter-fingerprint", V, "def f(workload):\n    return workload.step_hint == 80_000"),
    (
        "parameter-fingerprint",
        V,
        "def f(params):\n    n = sum(p.size for p in jax.tree.leaves(params))\n"
        "    return n == 2 * 777",
    ),
    (
        "parameter-fingerprint",
        V,
        "def f(p):\n    match p.shape:\n        case (512, 1024):\n            return 1",
    ),
    ("parameter-fingerprint", R, "def f(leaves):\n    return len(leaves) == 161"),
    ("parameter-fingerprint", R, "def f(workload):\n    return workload.num_params > 50_000_000"),
    ("parameter-fingerprint", R, "def f(n):\n    return n == 12_345_678"),
    ("parameter-fingerprint", R, "T = {123_456: 0.1, 654_321: 0.2}"),
    ("parameter-fingerprint", V, "T = {(3, 3): 0.1, (5, 7): 0.2}"),
    ("dynamic-attribute", R, "def f(hp, key):\n    return getattr(hp, key)"),
    ("dynamic-attribute", R, "import operator\ndef f(k):\n    return operator.attrgetter(k)"),
    ("clock-access", R, "import time"),
    ("clock-access", V, "import time\ndef f():\n    return time.monotonic()"),
    ("clock-access", V, "import time\ndef f(g):\n    return g(time)"),
    ("clock-access", V, "class A:\n    import time\ndef f():\n    return A.time.time()"),
    ("clock-access", V, "def f():\n    from time import perf_counter as p\n    return p()"),
    ("clock-access", R, "from datetime import datetime"),
    ("clock-access", V, "from datetime import datetime as d\ndef f():\n    return d.now()"),
    ("system-access", R, "import os"),
    ("system-access", R, "import os.path"),
    ("system-access", V, "import os.path\ndef f():\n    return os.getcwd()"),
    ("system-access", V, "import os\ndef f():\n    return os.path.exists('x')"),
    ("system-access", V, "import os\ndef f(k):\n    return getattr(os, 'environ')[k]"),
    ("system-access", R, "import sys"),
    ("system-access", V, "import sys\ndef f(x):\n    sys.path.append(x)"),
    ("system-access", R, "import email"),
    ("system-access", V, "import _posixsubprocess as p\ndef f():\n    p.fork_exec()"),
    ("system-access", V, "import contextlib\ndef f():\n    return contextlib.os.environ"),
    ("system-access", R, "from absl import flags"),
    ("system-access", V, "from absl import flags\nFLAGS = flags.FLAGS"),
    ("system-access", V, "def f():\n    jax.profiler.start_trace('x')"),
    ("system-access", V, "def f():\n    j = jax\n    j.distributed.initialize()"),
    ("background-work", R, "from concurrent import futures"),
    ("background-work", R, "import threading"),
    ("background-work", V, "import threading\ndef f(g):\n    threading.Thread(target=g)"),
    ("network-access", R, "import urllib.request"),
    ("network-access", V, "import urllib.request as u\ndef f(x):\n    u.urlopen(x)"),
    ("file-access", V, "def f():\n    return open('x')"),
    ("file-access", R, "from pathlib import Path"),
    ("file-access", V, "from pathlib import Path\ndef f():\n    return Path('x').open()"),
    ("file-access", V, "def f():\n    return np.load('x.npz')"),
    ("file-access", V, "def f():\n    return jax.numpy.load('x.npz')"),
    ("file-access", V, "from numpy import *\ndef f():\n    return fromfile('x')"),
    ("file-access", V, "def f(x):\n    x.tofile('x')"),
    ("file-access", R, "def open(x):\n    return x\ndef f():\n    return open(1)"),
    ("dynamic-code", V, "def f(s):\n    exec(s)"),
    ("dynamic-code", V, "def f(s):\n    run = eval\n    return s"),
    ("dynamic-code", V, "def f():\n    return __import__('math')"),
    ("dynamic-code", R, "import importlib"),
    ("dynamic-code", V, "import importlib\ndef f(x):\n    importlib.reload(x)"),
    ("dynamic-code", V, "import typing\ndef f(g):\n    return typing.get_type_hints(g)"),
    ("introspection", V, "def f(x):\n    return x.__subclasses__()"),
    ("introspection", V, "def f(x):\n    return getattr(x, '__globals__')"),
    ("introspection", V, "def f():\n    globals()['x'] = 1"),
    ("introspection", R, "import gc"),
    ("introspection", R, "import inspect"),
    ("introspection", V, "import gc\ndef f():\n    return gc.get_objects()"),
    (
        "introspection",
        V,
        "import gc as g\ndef f():\n    g.collect()\n    return g.get_referrers(f)",
    ),
    ("introspection", V, "import inspect\ndef f():\n    return inspect.stack()"),
    ("introspection", V, "from inspect import currentframe\nframe = currentframe"),
    ("introspection", R, "def f(x):\n    return x.__class__"),
    ("monkeypatch", V, "def f(g):\n    jax.jit = g"),
    ("monkeypatch", V, "optax.adam = optax.sgd"),
    ("monkeypatch", V, "def f(g):\n    setattr(jax.lax, 'psum', g)"),
    ("monkeypatch", V, "def f(g):\n    j = jnp\n    j.linalg.norm = g"),
    ("monkeypatch", V, "def f(workload):\n    workload.step_hint = 1"),
    ("monkeypatch", V, "def f(w):\n    object.__setattr__(w, 'x', 1)"),
    ("global-settings", V, "def f():\n    jax.config.update('jax_enable_x64', True)"),
    ("global-settings", V, "from jax import config\ndef f():\n    config.jax_enable_x64 = True"),
    ("global-settings", V, "def f():\n    return jax.default_matmul_precision('bfloat16')"),
    ("host-callback", R, "def f(x):\n    jax.debug.callback(print, x)"),
    ("host-callback", R, "from jax.experimental import io_callback"),
    ("harness-access", V, "from algoperf_lite import trial"),
    ("harness-access", V, "import workloads"),  # used or not: loading it is no submission's part
    ("harness-access", V, "from algoperf.workloads.wmt import workload as w"),
    ("undeclared-import", V, "import scipy"),
    ("undeclared-import", V, "from . import missing"),
    ("undeclared-import", R, "try:\n    import scipy\nexcept ImportError:\n    scipy = None"),
    ("embedded-data", V, f"X = {'a' * 2001!r}"),
    ("embedded-data", V, f"X = {'a' * 1500!r} + {'b' * 1500!r}"),
    ("embedded-data", V, f"X = {NUMBERS}"),
    ("embedded-data", V, f"def f():\n    return {{'a': {[[1, 2, 3]] * 22}}}"),
    ("embedded-data", V, f"X = 0x{'f' * 80}"),
    ("embedded-data", R, "import base64"),
    ("embedded-data", V, "import base64\ndef f(x):\n    return base64.b64decode(x)"),
    ("embedded-data", R, "def f():\n    return f.__doc__"),
    ("embedded-data", V, "def f(x):\n    return np.frombuffer(x)"),
    ("embedded-data", R, "\n".join(f"x{i} = {[1] * 60}" for i in range(9))),
    ("work-at-import", R, "KEY = jax.random.key(0)"),
    ("work-at-import", R, "def f(): return 1\nX = f()"),
    ("work-at-import", R, "X = jax.jit(jnp.sin)(1.0)"),
    ("work-at-import", R, "if __name__ != 'me':\n    jnp.ones(3)"),
    ("work-at-import", V, "for i in range(9):\n    jnp.ones(i)"),
    ("work-at-import", V, "X = [jnp.ones(i) for i in range(9)]"),
    ("trial-memory", R, "_BEST = 0\ndef f(x):\n    global _BEST\n    _BEST = x"),
    ("trial-memory", R, "_N = 0\ndef f():\n    global _N\n    _N += 1"),
    ("trial-memory", R, "_SEEN = {}\ndef f(x):\n    _SEEN['x'] = x"),
    ("trial-memory", R, "_SEEN = []\ndef f(x):\n    _SEEN.append(x)"),
    ("trial-memory", R, "def f(x):\n    f.count = x"),
    ("trial-memory", R, "def f(x, seen={}):\n    seen['x'] = x"),
]

PASSED = [
    # names, attributes
    "def f(workload):\n    return workload.target_metric_name, workload.step_hint",
    "def f(workload):\n    return workload.param_shapes, workload.num_train_examples",
    "def f(workload, d, s):\n    if workload.metrics_logger is not None:\n"
    "        workload.metrics_logger.append_scalar_metrics(d, s)",
    "def f(eval_results):\n    return eval_results[-1][1]['validation/loss']",
    "def f(hyperparameters):\n    return hasattr(hyperparameters, 'grad_clip')",
    "def f(param):\n    return param.name, param._value",
    "def f(g):\n    w = g\n    return w.name",
    "def eval_step(x):\n    return x\ndef f(x):\n    return eval_step(x)",
    "def f(x):\n    return x.__class__.__name__, f.__name__",
    "class A:\n    def clone(self):\n        return self.__class__(**self.__dict__)",
    # tables
    "def get_batch_size(name):\n    return 512 if name == 'ogbg' else 128",
    "SIZES = {'ogbg': 1}\ndef get_batch_size(name):\n    return SIZES[name]",
    "def f(path):\n    return 'embedding' in path or path == 'wmtish'",
    '"""ogbg"""\ndef f():\n    "wmt"',
    "def f(leaf):\n    return leaf.ndim == 2 and len(leaf.shape) in (2, 3, 4)",
    "def f(leaf):\n    return leaf.shape == () or leaf.shape[0] == 1 or leaf.size > 4096",
    "def f(leaf, other):\n    return leaf.shape == other.shape and leaf.shape == (1, 3)",
    "def f(global_step):\n    return global_step % 1000 == 0 or global_step == 5000",
    "def f():\n    return optax.piecewise_constant_schedule(1.0, {10_000: 0.1, 20_000: 0.1})",
    "STEPS = {1: 0.1, 2: 0.2}",
    # access
    "from absl import logging\nlogging.info('x')",
    "from algoperf_lite.schedules import cosine\nfrom algoperf_lite.optimizers.soap import soap",
    "from flax import jax_utils, linen, struct\nfrom optax._src import base, numerics",
    "from jax.experimental import mesh_utils\nfrom jax.sharding import Mesh, NamedSharding",
    "def f(open, eval):\n    compile = open\n    return open(eval), compile",
    "def f(x):\n    return x.compile().open().time",
    "def f(x):\n    return jax.config.jax_enable_x64, x.astype(jnp.float32)",
    "def f(x):\n    return jnp.dot(x, x, precision=jax.lax.Precision.HIGHEST)",
    "def f(x):\n    jax.debug.print('{}', x)\n    return jax.tree_map(jnp.sin, x)",
    "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass A:\n    x: int\n"
    "    def __post_init__(self):\n        object.__setattr__(self, 'x', 1)",
    "import ast\ndef f(x):\n    return ast.literal_eval(x)",
    "import ast, builtins, functools, hashlib, logging, weakref",
    "import gc\ndef f():\n    gc.collect()",
    "import inspect\ndef f(g):\n    return inspect.signature(g).parameters",
    "import os\ndef f(x):\n    return os.path.join('a', x)",
    "import sys, traceback\ndef f():\n    return sys.version_info, traceback.format_exc()",
    "from importlib.metadata import version\ndef f():\n    return version('jax')",
    "from datetime import timedelta\ndef f(x):\n    return timedelta(x)",
    # assignments
    "def f(workload):\n    return f'{workload.step_hint} {workload.target_metric_name}'",
    "def f(state, x=None):\n    state.x = x\n    state['x'] = x\n    return state",
    "def f(params):\n    logging = params\n    logging.x = 1",
    "def f():\n    seen = []\n    seen.append(1)\n    return seen",
    "OPT = optax.sgd(0.1)\ndef f(g, s):\n    return OPT.update(g, s)",
    "_STEP = None\ndef f(g):\n    global _STEP\n    if _STEP is None:\n        _STEP = jax.jit(g)",
    "_STEP = None\ndef f(g):\n    global _STEP\n    _STEP = make(g)\n"
    "def make(g):\n    return functools.partial(jax.jit, static_argnums=0)(g)",
    "_CACHE = {}\ndef f(g, k):\n    step = jax.pmap(g, axis_name='batch')\n    _CACHE[k] = step",
    "_CACHE = {}\ndef f(g, k, x):\n    _CACHE[k] = jax.jit(g).lower(x).compile()",
    "@functools.lru_cache(maxsize=None)\ndef f(workload):\n    return jax.jit(workload.loss_fn)",
    # literals
    f'X = 1\n"""{"a" * 3000}"""\ndef f():\n    """{"b" * 3000}"""',
    f"def f():\n    pass\nf.__doc__ = {'a' * 3000!r}",
    f"X = {[0.5] * 64}\nY = {'a' * 2000!r}\nZ = 2**64",
    # at import
    "import collections\nState = collections.namedtuple('State', 'a b')\nX = State(1, 2)",
    "from typing import NamedTuple, TypeVar\nT = TypeVar('T')\nclass S(NamedTuple): x: int = 0",
    "@functools.partial(jax.pmap, axis_name='batch', static_broadcasted_argnums=(0, 1))\n"
    "def step(workload, update, x):\n    return x",
    "step = jax.jit(lambda x: x)\nother = functools.partial(step, 1)\nX = float('inf') * len('a')",
    "class S: pass\njax.tree_util.register_pytree_node(S, lambda s: ((), 0), lambda a, c: S())",
    "@jax.custom_vjp\ndef f(x):\n    return x\nf.defvjp(lambda x: (x, x), lambda r, g: (g,))",
    "NAMES = {k: 1 for k in 'a b'.split()}\nfor k in NAMES:\n    NAMES[k] = 2",
    "if __name__ == '__main__':\n    print(jnp.ones(3))",
    "HAS_MAP = hasattr(jax, 'tree_map')\nEPS = np.finfo(np.float32).eps",
]


def _check(folder, text, name="mine.py"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return check.check(path)


def _kinds(findings):
    return sorted((found.rule, found.severity) for found in findings)


@pytest.mark.parametrize(("rule", "severity", "text"), CAUGHT)
def test_what_breaks_a_rule_is_found(tmp_path, rule, severity, text):
    found = _check(tmp_path, NATIVE + text)
    assert {(f.rule, f.severity) for f in found} == {(rule, severity)}, found
    assert all(f.place.startswith("mine.py:") for f in found)


@pytest.mark.parametrize("text", PASSED)
def test_near_misses_pass(tmp_path, text):
    assert _check(tmp_path, NATIVE + text) == []


@pytest.mark.parametrize("path", SUBMISSIONS, ids=lambda path: path.stem)
def test_our_submissions_pass(path):
    assert check.check(path) == []


@pytest.mark.parametrize("path", ALGOPERF_SUBMISSIONS, ids=lambda path: path.parent.name)
def test_submissions_in_algoperfs_form_pass(path):
    found = check.check(path.parent)
    assert [f for f in found if f.severity == V] == []
    assert found == check.check(path)


# --- form, search space, files ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 1", "neither optimizer nor update_params"),
        (NATIVE + ALGOPERF, "optimizer as well as update_params"),
        ("def optimizer(workload): pass", r"optimizer must take \(workload, hyperparameters\)"),
        ("def optimizer(workload, hp, *, x): pass", "must take"),
        (NATIVE + "def schedule(w, hp): pass", "learning_rate.* because the file has a schedule"),
        (NATIVE + "def batch_size(): pass", r"batch_size must take \(workload\)"),
        (NATIVE + "def eval_params(params): pass", "eval_params must take"),
        (NATIVE + "def data_selection(w): pass", r"must take \(workload, hyperparameters\)"),
        (ALGOPERF.replace("def data_selection", "def other"), "defines no data_selection"),
        (ALGOPERF.replace("loss_type, ", ""), "update_params does not take loss_type"),
        (ALGOPERF.replace("rng):\n    return opt", "rng, x):\n    return opt"), "requires x"),
        (ALGOPERF.replace("(workload, model_params, model_state", "(workload"), "init_optimizer"),
        (ALGOPERF.replace("model_params, model_state", "model_state, model_params"), "this order"),
        (ALGOPERF + "def prepare_for_eval(workload): pass", "prepare_for_eval does not take"),
    ],
)
def test_functions_must_be_there_and_take_their_arguments(tmp_path, text, what):
    (found,) = _check(tmp_path, text)
    assert (found.rule, found.severity) == ("api", V)
    assert re.search(what, found.why)


@pytest.mark.parametrize(
    "text",
    [
        ALGOPERF,
        ALGOPERF + "import algoperf.spec\ndef f(x: algoperf.spec.Tensor): pass",
        ALGOPERF + "from algorithmic_efficiency import spec, jax_sharding_utils",
        ALGOPERF
        + "from algoperf import spec\ndef f(workload):\n"
        + "    return isinstance(workload, spec.Workload)",
        ALGOPERF.replace("rng):\n    return opt", "rng, train_state):\n    return opt"),
        ALGOPERF.replace("rng):\n    return opt", "rng, x=1, **unused):\n    return opt"),
        "from algoperf_lite.optimizers.soap import soap as optimizer",
        "def optimizer(w, hp, *rest): pass\ndef schedule(w, hp): pass\ndef batch_size(w): return 1",
        "def optimizer(w, hp, learning_rate): pass",
        "import optax\noptimizer = lambda w, hp: optax.sgd(0.1)",
    ],
)
def test_forms_that_are_whole(tmp_path, text):
    assert _check(tmp_path, text) == []


@pytest.mark.parametrize(
    ("space", "rule"),
    [
        ({"lr": {"min": 1e-3, "max": 1e-1, "scaling": "log"}}, None),
        ({"lr": {"feasible_points": [0.1, 0.2]}}, None),
        ([{"lr": 0.1}, {"lr": 0.2}], None),
        ({"lr": {"min": 1, "max": 0, "scaling": "log"}}, "search-space"),
        ({"lr": {"min": 0, "max": 1, "scaling": "linear", "step": 1}}, "search-space"),
        ({"lr": {"feasible_points": [[0.1]]}}, "search-space"),
        ({"not a name": {"feasible_points": [1]}}, "search-space"),
        ({"lambda": {"feasible_points": [1]}}, "search-space"),
        ({"ogbg": {"feasible_points": [1]}}, "search-space"),
        ([{"lr": {"ogbg": 0.1}}], "search-space"),
        ([{"tuned_for": "imagenet_vit"}], "search-space"),
        ([], "search-space"),
        ([{f"x{i}": 0.5 for i in range(200)}] * 6, "embedded-data"),
    ],
)
def test_search_spaces(tmp_path, space, rule):
    wanted = [] if rule is None else [rule]
    (tmp_path / "tuning_search_space.json").write_text(json.dumps(space))
    found = _check(tmp_path, ALGOPERF, "submission.py")
    assert [f.rule for f in found] == wanted
    assert all(f.place == "tuning_search_space.json:1" for f in found)
    written = {f.rule for f in _check(tmp_path, f"{NATIVE}search_space = {space!r}")}
    assert written - {"workload-table"} == set(wanted)


def test_points_and_json_that_are_none(tmp_path):
    assert _kinds(_check(tmp_path, NATIVE + "self_tuning_point = {'lr': [1]}")) == [
        ("search-space", V)
    ]
    assert _check(tmp_path, NATIVE + "self_tuning_point = {'lr': 1 / 3}") == []
    (tmp_path / "tuning_search_space.json").write_text("{")
    assert _kinds(_check(tmp_path, ALGOPERF)) == [("syntax", V)]


def test_a_name_that_a_searched_schedule_gives_is_pointed_out(tmp_path):
    def found(name):
        return _kinds(
            _check(tmp_path, NATIVE + f"search_space = {{{name!r}: {{'feasible_points': [1]}}}}")
        )

    assert found("schedule_phi") == [("search-space", R)]
    assert found("schedule_mine") == found("phi") == []


def test_helpers_are_read_wherever_they_are_imported_from(tmp_path):
    folder = tmp_path / "algorithms" / "mine"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "__init__.py").write_text("from .deep import x\n")
    (folder / "parts" / "deep.py").write_text("import time\nx = 1\n")
    (folder / "beside.py").write_text(ALGOPERF + "def f(workload): return workload.name\n")
    (folder / "unused.py").write_text("import time\n")
    names = "get_batch_size, init_optimizer_state, update_params, data_selection"
    text = f"from algorithms.mine.beside import {names}\nimport parts.deep\n"
    found = _check(folder, text, "submission.py")
    assert [(f.rule, f.place) for f in found] == [
        ("workload-identity", "beside.py:17"),
        ("clock-access", "parts/deep.py:1"),
    ]
    found = _check(folder, "from .beside import *\nfrom . import parts\n", "submission.py")
    assert len(found) == 2


def test_a_path_of_algoperfs_repository_is_a_helper_and_hides_nothing(tmp_path):
    (tmp_path / "helper.py").write_text("import os\ndef f(x): return x\nY = os.environ\n")
    published = "from submissions.v05.caspr.helper import"
    found = _check(tmp_path, f"{ALGOPERF}{published} f\ndef g(x): return f(x)\n")
    assert {(f.rule, f.place) for f in found} == {("system-access", "helper.py:1")}
    # What a helper has imported is no part of it.
    found = _check(tmp_path, f"{ALGOPERF}{published} os\ndef g(): return os.environ\n")
    assert {f.place.partition(":")[0] for f in found if f.rule == "system-access"} == {
        "helper.py",
        "mine.py",
    }
    found = _check(tmp_path, f"{ALGOPERF}from submissions.nadamw import search_space\n")
    assert _kinds(found) == [("harness-access", V)]


def test_requirements_declare_imports(tmp_path):
    (tmp_path / "requirements.txt").write_text("# none\nSome-Package==1.0 # pinned\ntime\n")
    text = NATIVE + "import some_package.part\nimport other\nimport time\n"
    # Declared or not, it is not here.
    assert _kinds(_check(tmp_path, text)) == [
        ("clock-access", R),
        ("missing-import", R),
        ("undeclared-import", V),
    ]


def test_a_folder_must_hold_the_file_and_no_weights(tmp_path):
    assert _kinds(check.check(tmp_path)) == [("syntax", V)]
    (tmp_path / "submission.py").write_text(ALGOPERF)
    (tmp_path / "weights.npz").write_bytes(b"\0")
    (tmp_path / "README.md").write_text("what it is")
    (found,) = check.check(tmp_path)
    assert (found.rule, found.severity, found.place) == ("embedded-data", R, "weights.npz:1")


def test_a_helper_that_keeps_state_for_others(tmp_path):
    (tmp_path / "helper.py").write_text("best = None\n")
    text = ALGOPERF + "import helper\ndef f(x):\n    helper.best = x\n"
    assert _kinds(_check(tmp_path, text)) == [("trial-memory", R)]


def test_an_import_that_another_file_uses_is_no_guess(tmp_path):
    (tmp_path / "helper.py").write_text("import ssl as r\nimport queue\n")
    kinds = [("background-work", R), ("network-access", R)]
    assert _kinds(_check(tmp_path, ALGOPERF + "import helper\n")) == kinds
    for use in (
        "import helper as h\nX = h.r\n",
        "from helper import r\n",
        "from helper import *\nr\n",
    ):
        kinds = [("background-work", R), ("network-access", V)]
        assert _kinds(_check(tmp_path, ALGOPERF + use)) == kinds
    own = "import ssl\nimport mine\ndef f():\n    return mine.ssl.get('x')\n"
    assert _kinds(_check(tmp_path, ALGOPERF + own)) == [("network-access", V)]


# --- robustness ---------------------------------------------------------------------------

UNREADABLE = {
    "null": b"x = '\0'",
    "no_utf8": b"x = '\xff\xfe'",
    "parentheses": b"(" * 9_000,
    "signs": b"x = " + b"-" * 9_000 + b"1",
    "attributes": b"x = a" + b".b" * 9_000,
    "sums": b"x = 1" + b" + 1" * 9_000,
    "calls": b"x = f" + b"()" * 9_000,
    "long_decimal": b"x = " + b"9" * 9_000,
    "long_number_in_a_message": b"def f(x):\n    return x.size == 0x" + b"f" * 9_000,
}
ODD = {
    "nothing": b"",
    "powers": b"def f(x):\n    return x.size == 9**9**9**9**9",
    "nonlocal": b"def f():\n    nonlocal x\n    x = 1\n    import math as x",
    "escape": rb"x = '\d'",
    "alias_of_itself": b"while 1:\n    jax = jax.x",
    "deep": b"x = " + b"-" * 150 + b"1" + b" + 1" * 150,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_a_finding(tmp_path, name):
    assert ("syntax", V) in _kinds(_check(tmp_path, NATIVE.encode() + UNREADABLE[name]))


@pytest.mark.parametrize("name", ODD)
def test_odd_code_is_no_finding(tmp_path, name):
    assert _check(tmp_path, NATIVE.encode() + ODD[name]) == []


@given(text=st.binary(max_size=60) | st.text(alphabet="abjx=.:()[]{}'\n \t0189,@*", max_size=60))
def test_any_text_is_checked_without_an_error(tmp_path_factory, text):
    found = _check(tmp_path_factory.getbasetemp(), text)
    assert found == sorted(set(found), key=found.index)


LINES = sorted({line for path in SUBMISSIONS for line in path.read_text().splitlines()})
LINES += [line for _, _, text in CAUGHT[:60] for line in text.splitlines()]


@given(lines=st.lists(st.sampled_from(LINES), max_size=12))
def test_any_lines_of_code_are_checked_without_an_error(tmp_path_factory, lines):
    _check(tmp_path_factory.getbasetemp(), "\n".join(lines))


def _renamed(text):
    """The code with other layout, and other names for variables inside functions."""
    tree = ast.parse(text)
    scopes = Scopes(tree)
    names = [(n, scopes.binding(n)) for n in scopes.nodes if isinstance(n, ast.Name)]
    variables = {
        binding
        for node, binding in names
        if isinstance(node.ctx, ast.Store) and isinstance(binding[0], ast.FunctionDef)
    }
    for node, binding in names:
        if binding in variables:
            node.id = f"renamed_{node.id}"
    return ast.unparse(tree)


@pytest.mark.parametrize("text", sorted({text for _, _, text in CAUGHT if "global" not in text}))
def test_layout_and_local_names_change_nothing(tmp_path, text):
    found = _check(tmp_path, NATIVE + text)
    assert _kinds(_check(tmp_path, _renamed(NATIVE + text))) == _kinds(found)


# --- the rulebook -------------------------------------------------------------------------


def test_every_rule_is_tried_and_explained():
    tried = {rule for rule, _, _ in CAUGHT} | {"api", "search-space", "syntax", *dynamic.RULES}
    tried |= {"missing-import", "other-framework"}
    assert {rule.name for rule in rules.RULES.values()} == tried
    for rule in rules.RULES.values():
        assert rule.fix.endswith(".") and not rule.why.endswith(".") and rule.forbids
