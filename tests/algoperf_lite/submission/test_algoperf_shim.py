"""What AlgoPerf's files find around them: there while the context is open, gone without a trace."""

import importlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, PartitionSpec

from algoperf_lite.submission import algoperf_shim
from algoperf_lite.submission.algoperf_shim import old_jax, put_back
from algoperf_lite.submission.algoperf_shim.removed_names import REMOVED, WITHOUT_KEYWORDS
from algoperf_lite.trial import integrity

ROW = jnp.asarray([3.0, 1.0, 2.0])


def _submission(folder, **files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder / "submission.py"


@pytest.fixture
def surroundings(tmp_path):
    """The context of a submission that imports nothing of its own."""
    return algoperf_shim.installed(_submission(tmp_path / "mine", submission="import jax\n"))


def _exists(name):
    # Text of a file's import statements, as a file would write them.
    module, _, short = name.rpartition(".")
    try:
        exec(f"from {module} import {short}", {})
        return True
    except ImportError:
        return False


@pytest.mark.parametrize("row", REMOVED, ids=lambda row: row.name)
def test_a_removed_name_is_there_while_the_context_is_open(surroundings, row):
    before = _exists(row.name)
    with surroundings:
        assert _exists(row.name)
        if not before:
            assert put_back._value(row.name) is put_back._value(row.now)
    assert _exists(row.name) == before


def test_names_that_are_gone_here_are_most_of_the_table():
    # Else the test above would show nothing.
    names = [row.name for row in REMOVED]
    assert len(names) == len(set(names))
    assert sum(not _exists(name) for name in names) > len(names) / 2


def test_nothing_is_left_behind(surroundings):
    modules = [name for name in sys.modules if name.startswith(("jax", "optax"))]
    before = {name: dict(vars(sys.modules[name])) for name in modules}
    loaded = set(sys.modules)
    with surroundings:
        assert jax.tree_map(jnp.sum, ROW) == 6
    gone = {"jax.config", "jax.linear_util", "jax.experimental.maps", "jax.experimental.stax"}
    assert not gone & set(sys.modules) - loaded
    changed = [
        f"{name}.{key}"
        for name, content in before.items()
        for key in content.keys() | vars(sys.modules[name]).keys()
        if not key.startswith("_")
        and content.get(key) is not vars(sys.modules[name]).get(key)
        # A package gets an attribute from whoever first imports a module of it.
        and f"{name}.{key}" not in sys.modules
    ]
    assert changed == []
    assert "algoperf" not in sys.modules


def test_nothing_is_left_behind_by_a_file_that_fails(surroundings):
    with pytest.raises(RuntimeError), surroundings:
        raise RuntimeError
    assert not hasattr(jax, "tree_map") and type(jnp.clip) is not old_jax.Clip


# JAX 0.7 still has them, and says that it will not for long.
@pytest.mark.filterwarnings("ignore:Passing arguments 'a', 'a_min':DeprecationWarning")
def test_clip_has_its_keywords_back_and_is_as_it_was_to_those_who_watch(surroundings, monkeypatch):
    watch, original = integrity.TamperCheck(), jnp.clip
    with surroundings:
        np.testing.assert_array_equal(jnp.clip(ROW, a_max=2.0), [2.0, 1.0, 2.0])
        np.testing.assert_array_equal(jnp.clip(a=ROW, a_min=2.0), [3.0, 2.0, 2.0])
        np.testing.assert_array_equal(jnp.clip(ROW, 2.0, a_max=2.5), [2.5, 2.0, 2.0])
        clip = jax.jit(jax.vmap(lambda x: jnp.clip(x, a_min=1.5, a_max=2.5)))
        np.testing.assert_array_equal(clip(ROW), jax.jit(original)(ROW, 1.5, 2.5))
        watch.check_names()
        with monkeypatch.context() as patched:
            patched.setattr(jnp, "clip", old_jax.Clip(jnp.sin))  # somebody else's
            with pytest.raises(integrity.RulesBroken, match="jax.numpy.clip"):
                watch.check_names()
    assert jnp.clip is original
    assert set(WITHOUT_KEYWORDS) == {"jax.numpy.clip"}


def test_trees_of_old_are_those_of_today(surroundings):
    tree = {"a": [1, 2], "b": 3}
    with surroundings:
        leaves, structure = jax.tree_flatten(tree)
        assert jax.tree_unflatten(structure, leaves) == tree and leaves == jax.tree_leaves(tree)
        assert jax.tree_map(lambda x, y: x + y, tree, tree) == {"a": [2, 4], "b": 6}
        assert jax.tree_reduce(lambda x, y: x + y, tree) == 6
        rows, pair = jax.tree_structure([0]), jax.tree_structure((0, 0))
        assert jax.tree_transpose(rows, pair, [(1, 2)]) == ([1], [2])


def test_arrays_are_put_on_devices_as_before(surroundings):
    devices = jax.local_devices()
    with surroundings:
        put = jax.device_put_replicated({"x": ROW}, devices)["x"]
        assert put.shape == (len(devices), 3)
        np.testing.assert_array_equal(jax.pmap(jnp.sum)(put), [6.0] * len(devices))
        shards = [ROW + i for i in range(len(devices))]
        np.testing.assert_array_equal(jax.device_put_sharded(shards, devices), shards)
        mesh, spec = Mesh(np.array(devices), ("batch",)), PartitionSpec("batch")

        def add(x):
            return x + jax.lax.pvary(jnp.float32(1), "batch")

        one = jnp.ones(len(devices))
        done = jax.shard_map(add, mesh=mesh, in_specs=spec, out_specs=spec)(one)
        np.testing.assert_array_equal(done, 2 * one)


def test_functions_mean_what_they_meant(surroundings):
    with surroundings:
        np.testing.assert_array_equal(jnp.in1d(ROW.reshape(3, 1), 2.0), [False, False, True])
        assert jnp.alltrue(ROW > 0) and jnp.sometrue(ROW > 2) and jnp.product(ROW) == 6
        np.testing.assert_array_equal(jnp.fix(jnp.asarray([-1.5, 1.5])), [-1.0, 1.0])
        assert jnp.trapz(ROW) == 3.5 and jnp.NINF < 0 and np.signbit(jnp.NZERO)
        assert sorted(np.asarray(jax.random.shuffle(jax.random.key(0), ROW))) == [1.0, 2.0, 3.0]
        assert jax.lax.tie_in(1, ROW) is ROW and isinstance(ROW, jnp.DeviceArray)
        np.testing.assert_allclose(jax.nn.normalize(ROW).mean(), 0.0, atol=1e-6)
        assert jax.util.safe_zip([1, 2], [3, 4]) == [(1, 3), (2, 4)]
        assert jax.util.safe_map(max, [1, 5], [2, 3]) == [2, 5]
        assert jax.util.unzip2([(1, 2), (3, 4)]) == ((1, 3), (2, 4))
        with pytest.raises(ValueError):
            jax.util.safe_map(max, [1], [2, 3])
        decay = optax.additive_weight_decay(0.1)
        updates, _ = decay.update(ROW, decay.init(ROW), ROW)
        np.testing.assert_allclose(updates, 1.1 * ROW, rtol=1e-6)


def test_modules_that_are_gone_are_imported_as_before(surroundings):
    with surroundings:
        from jax import linear_util
        from jax.config import config
        from jax.experimental.maps import Mesh as MeshOfMaps
        from jax.lib import xla_bridge

        assert callable(linear_util.wrap_init) and MeshOfMaps is Mesh
        assert config is jax.config and xla_bridge.get_backend().platform == "cpu"


def test_two_submissions_have_their_own_helpers(tmp_path):
    text = "import helper\nfrom x.y.z.helper import NAME\nfrom .helper import NAME as AGAIN\n"
    found = []
    for name in ("one", "two"):
        path = _submission(tmp_path / name, submission=text, helper=f"NAME = {name!r}\n")
        with algoperf_shim.installed(path):
            module = importlib.import_module("x.y.z.helper")
            assert importlib.import_module("helper").NAME == module.NAME == name
            found.append(module)
    assert found[0] is not found[1]
    assert not {"x", "x.y", "x.y.z", "x.y.z.helper", "helper"} & set(sys.modules)
    with pytest.raises(ImportError):
        importlib.import_module("x.y.z.helper")


def test_a_real_package_keeps_its_own_modules_and_is_left_without_others(tmp_path):
    import submissions  # ours, whose name begins the paths of AlgoPerf's repository too

    text = "from submissions.v05.caspr import helper\nfrom submissions import nadamw\n"
    path = _submission(
        tmp_path / "mine", submission=text, helper="X = 1\n", nadamw="raise RuntimeError\n"
    )
    with algoperf_shim.installed(path):
        space = {}
        exec(path.read_text(), space)
        assert space["helper"].X == 1 and space["nadamw"].optimizer
        assert sys.modules["submissions"] is submissions
    assert not hasattr(submissions, "v05") and "submissions.v05" not in sys.modules


def test_helpers_find_those_beside_them(tmp_path):
    path = _submission(tmp_path / "mine", submission="from a.b.parts.core import X\n")
    texts = {
        "__init__": "FACTOR = 2\n",
        "core": "from . import FACTOR\nfrom .low import Y\nX = FACTOR * Y\n",
        "low": "Y = 3\n",
    }
    _submission(tmp_path / "mine" / "parts", **texts)
    with algoperf_shim.installed(path):
        assert importlib.import_module("a.b.parts.core").X == 6
