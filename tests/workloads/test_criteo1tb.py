"""criteo1tb: exact sizes, a data set whose best loss is known, and a model that is pure."""

import collections
import dataclasses
import functools
import hashlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import workloads
from algoperf_lite.spec import ForwardPassMode, ParameterType
from tests.workloads.dropout_sites import dropout_sites
from workloads.criteo1tb import data
from workloads.criteo1tb.model import dot_interactions, log_counts
from workloads.losses import sigmoid_cross_entropy

REPOSITORY = Path(__file__).parents[2]
SHAPES = REPOSITORY.parent / "shared" / "facts" / "param_shapes"
NUM_PARAMS = {
    "criteo1tb": 539_267_457,
    "criteo1tb_layernorm": 539_275_137,
    "criteo1tb_embed_init": 539_267_457,
    "criteo1tb_resnet": 538_121_473,
}
# Of another process; the targets of the benchmark were set on these bytes.
DATA_SHA256 = "039e6cccbf344ed29f1948d081a986b550d0865acff54f328db56054be6fbc8e"


@pytest.fixture(scope="module")
def workload():
    return workloads.load("criteo1tb")


@pytest.fixture(scope="module")
def params(workload):
    return jax.jit(workload.init_model_fn)(jax.random.key(0))[0]


def head(split: str, size: int) -> dict[str, np.ndarray]:
    return {name: array[:size] for name, array in data.examples(split).items()}


@functools.partial(jax.jit, static_argnames=("workload", "mode"))
def mean_loss(
    workload, params, batch, mask=None, mode=ForwardPassMode.TRAIN, dropout_rate=None
) -> jax.Array:
    rng = jax.random.key(3)
    logits, _ = workload.model_fn(params, batch, {}, mode, rng, True, dropout_rate)
    loss = workload.loss_fn(batch["targets"], logits, mask)
    return loss["summed"] / loss["n_valid_examples"]


# --- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NUM_PARAMS)
def test_full_scale_has_algoperfs_parameter_count(name):
    assert workloads.load(name, "full").num_params == NUM_PARAMS[name]


@pytest.mark.parametrize("name", ["criteo1tb", "criteo1tb_layernorm", "criteo1tb_resnet"])
def test_full_scale_has_algoperfs_parameter_shapes(name):
    table = SHAPES / f"{name}.tsv"
    if not table.exists():
        pytest.skip(f"no table of AlgoPerf's shapes at {table}")
    rows = [line.split("\t") for line in table.read_text().splitlines() if line[0] != "#"]
    theirs = collections.Counter(tuple(map(int, shape.split("x"))) for _, _, shape in rows)
    leaves = jax.tree.leaves(workloads.load(name, "full").param_shapes)
    assert collections.Counter(leaf.shape_tuple for leaf in leaves) == theirs


def test_full_scale_wants_to_know_where_its_data_are():
    with pytest.raises(ValueError, match="by --data_dir"):
        workloads.load("criteo1tb_resnet", "full").source("train")


def test_param_types_and_output_layer():
    workload = workloads.load("criteo1tb_layernorm")
    types = workload.model_params_types
    assert types["embedding_table"] == ParameterType.EMBEDDING
    assert types["Dense_0"] == {"kernel": ParameterType.WEIGHT, "bias": ParameterType.BIAS}
    assert types["LayerNorm_3"] == {
        "scale": ParameterType.LAYER_NORM_SCALE,
        "bias": ParameterType.LAYER_NORM_BIAS,
    }
    assert [key for key in types if workload.is_output_params(key)] == ["output"]


# --- data -------------------------------------------------------------------------------------


def test_data_are_the_same_bytes_in_every_process():
    digest = hashlib.sha256()
    for split in data.SPLIT_BLOCKS:
        for array in data.examples(split).values():
            digest.update(array.tobytes())
    assert digest.hexdigest() == DATA_SHA256


def test_splits_are_disjoint(workload):
    factors = np.random.default_rng(0).integers(1, 2**63, 39, dtype=np.uint64)
    seen = {}
    for split in data.SPLIT_BLOCKS:
        inputs = workload.dataset(split)["inputs"]
        seen[split] = np.unique(inputs.view(np.uint32).astype(np.uint64) @ factors)
        assert len(seen[split]) == len(inputs)  # no row occurs twice within a split either
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not len(np.intersect1d(seen[one], seen[other]))


def test_inputs_look_like_a_click_log():
    inputs = data.examples("train")["inputs"]
    counts, ids = inputs[:, : data.NUM_DENSE], inputs[:, data.NUM_DENSE :]
    assert inputs.dtype == np.float32 and inputs.shape[1] == 39
    assert counts.min() == -1 and (counts == np.floor(counts)).all()
    present = np.where(counts >= 0, counts, np.nan)
    assert (np.nanmean(present, axis=0) > 1.2 * np.nanmedian(present, axis=0)).all()  # skewed
    assert ids.min() >= 0 and ids.max() < 2**24
    for column, cardinality in enumerate(data.CARDINALITIES):
        frequencies = np.sort(np.unique(ids[:, column], return_counts=True)[1])[::-1]
        assert len(frequencies) == cardinality
        if cardinality >= 10:
            assert frequencies[0] / frequencies[9] == pytest.approx(10**1.25, rel=0.1)


def test_validation_ids_are_seen_in_training():
    train, validation = (
        data.examples(s)["inputs"][:, data.NUM_DENSE :] for s in list(data.SPLIT_BLOCKS)[:2]
    )
    for column in range(data.NUM_CATEGORICAL):
        assert np.isin(validation[:, column], np.unique(train[:, column])).mean() > 0.999


@pytest.mark.parametrize("split", data.SPLIT_BLOCKS)
def test_best_loss_is_the_teachers_own(split):
    clicks, best = data.examples(split)["targets"], data.best_loss(split)
    rate = clicks.mean(dtype=np.float64)
    assert set(np.unique(clicks)) == {0.0, 1.0}
    assert rate == pytest.approx(0.25, abs=0.02)
    assert abs(best.realised - best.expected) < 3 * best.standard_error
    constant_predictor = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    assert best.expected < constant_predictor - 0.1
    p = data.click_probabilities(split)
    losses = sigmoid_cross_entropy(np.log(p / (1 - p)).astype(np.float32), clicks)
    assert best.realised == pytest.approx(float(losses.mean()), abs=1e-5)


# --- model ------------------------------------------------------------------------------------


def test_counts_go_through_log_relu_plus_one():
    got = log_counts(jnp.array([-1.0, 0.0, 1.0, 99.0]))
    np.testing.assert_allclose(got, [0.0, 0.0, np.log(2.0), np.log(100.0)], rtol=1e-6)


def test_dot_interactions_are_the_upper_triangle_with_diagonal():
    x = np.random.default_rng(0).standard_normal((3, 27, 8)).astype(np.float32)
    expected = [[x[b, i] @ x[b, j] for i in range(27) for j in range(i, 27)] for b in range(3)]
    assert dot_interactions(x).shape == (3, 378)
    np.testing.assert_allclose(dot_interactions(x), expected, rtol=1e-4, atol=1e-5)


def test_ids_count_modulo_the_table(workload, params):
    batch = head("validation", 4)
    wrapped = batch["inputs"].copy()
    wrapped[:, data.NUM_DENSE :] %= workload.config.table_rows
    one = mean_loss(workload, params, batch)
    assert one == mean_loss(workload, params, {**batch, "inputs": wrapped})
    wrapped[:, -1] += 1
    assert one != mean_loss(workload, params, {**batch, "inputs": wrapped})


@pytest.mark.parametrize("name, scale", [("criteo1tb", 1 / 128), ("criteo1tb_embed_init", 1.0)])
def test_embeddings_start_uniform(name, scale):
    init = workloads.load(name).init_model_fn
    table = jax.jit(lambda rng: init(rng)[0]["embedding_table"])(jax.random.key(0)) / scale
    assert table.min() >= 0
    assert 0.99 < table.max() <= 1
    assert table.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "name, widths", [("criteo1tb", (512, 256, 128)), ("criteo1tb_resnet", (256, 256, 256))]
)
def test_biases_of_the_bottom_start_normal_with_variance_one_over_width(name, widths):
    full = workloads.load(name, "full")
    small = dataclasses.replace(full, config=dataclasses.replace(full.config, table_rows=4))
    params = jax.jit(small.init_model_fn)(jax.random.key(0))[0]
    for layer, width in enumerate(widths):
        bias = np.asarray(params[f"Dense_{layer}"]["bias"])
        assert bias.std() == pytest.approx(width**-0.5, rel=0.2)
        assert abs(bias.mean()) < 4 / width  # four of its own deviations
        assert 2 < np.abs(bias).max() * width**0.5 < 5


def test_the_resnet_drops_a_branch_and_not_the_stream():
    """At a rate of 1 the last hidden layer gives nothing, as if its weights were zero."""
    assert dropout_sites(workloads.load("criteo1tb_resnet", "full")) == [256]
    workload, batch = workloads.load("criteo1tb_resnet"), head("train", 32)
    params = jax.jit(workload.init_model_fn)(jax.random.key(0))[0]
    silenced = {**params, "Dense_6": jax.tree.map(jnp.zeros_like, params["Dense_6"])}
    loss = functools.partial(mean_loss, workload, batch=batch)
    np.testing.assert_allclose(loss(params, dropout_rate=1.0), loss(silenced), rtol=1e-6)
    assert abs(loss(silenced) - loss(params)) > 1e-4


def test_padded_rows_weigh_nothing(workload, params):
    batch, mask = head("train", 8), jnp.array([1.0] * 5 + [0.0] * 3)
    gradient = jax.value_and_grad(functools.partial(mean_loss, workload))
    garbage = {"inputs": batch["inputs"].copy(), "targets": batch["targets"].copy()}
    garbage["inputs"][5:] += 7
    garbage["targets"][5:] = 1 - garbage["targets"][5:]
    jax.tree.map(
        np.testing.assert_array_equal,
        gradient(params, batch, mask),
        gradient(params, garbage, mask),
    )
    loss = workload.loss_fn(batch["targets"], jnp.zeros(8), mask)
    assert loss["n_valid_examples"] == 5 and loss["per_example"].shape == (8,)
    np.testing.assert_allclose(loss["summed"], 5 * np.log(2), rtol=1e-6)


@pytest.mark.parametrize("name", ["criteo1tb", "criteo1tb_layernorm", "criteo1tb_resnet"])
def test_every_architecture_has_finite_gradients(name):
    workload, rng = workloads.load(name), np.random.default_rng(0)
    params, state = jax.eval_shape(workload.init_model_fn, jax.random.key(0))
    assert state == {}
    params = jax.tree.map(lambda p: 0.1 * rng.standard_normal(p.shape, np.float32), params)
    loss = functools.partial(mean_loss, workload, batch=head("train", 32))
    gradient = jax.grad(loss)(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))


def test_traced_dropout_rate(workload, params):
    batch, rates = head("train", 64), jnp.array([0.0, 0.1, 0.5])
    loss = functools.partial(mean_loss, workload, params, batch)
    losses = jax.vmap(lambda rate: loss(dropout_rate=rate))(rates)
    assert len(set(losses.tolist())) == 3
    np.testing.assert_allclose(losses, [loss(dropout_rate=rate) for rate in rates], rtol=1e-5)
    evaluated = loss(mode=ForwardPassMode.EVAL, dropout_rate=0.5)
    np.testing.assert_allclose(evaluated, losses[0], rtol=1e-5)
    config = dataclasses.replace(workload.config, dropout_rate=0.5)
    by_default = mean_loss(dataclasses.replace(workload, config=config), params, batch)
    np.testing.assert_allclose(by_default, losses[2], rtol=1e-5)


def test_label_smoothing_is_ignored(workload):
    labels, logits = jnp.array([0.0, 1.0]), jnp.array([0.3, -2.0])
    plain, smoothed = (workload.loss_fn(labels, logits, None, s)["summed"] for s in (0.0, 0.1))
    assert plain == smoothed


def test_metric_is_the_mean_log_loss(workload, params):
    batch = head("validation", 100)
    outputs = jax.jit(workload.eval_step)(params, batch, {}, jax.random.key(0))
    metrics = workload.eval_metrics({name: np.asarray(x) for name, x in outputs.items()})
    assert metrics.keys() == {workload.target_metric_name}
    expected = mean_loss(workload, params, batch, mode=ForwardPassMode.EVAL)
    assert metrics["loss"] == pytest.approx(float(expected), rel=1e-5)
    assert workload.lower_is_better


def test_training_beats_the_constant_predictor(workload, params):
    optimizer, train = optax.adam(1e-2), data.examples("train")

    @jax.jit
    def step(params, state, batch):
        gradient = jax.grad(lambda p: mean_loss(workload, p, batch))(params)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for start in range(0, 150 * 512, 512):
        batch = {name: array[start : start + 512] for name, array in train.items()}
        params, state = step(params, state, batch)
    validation = head("validation", 4096)
    loss = float(mean_loss(workload, params, validation, mode=ForwardPassMode.EVAL))
    assert data.best_loss("validation").expected < loss < 0.55
