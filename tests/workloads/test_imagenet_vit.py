"""imagenet_vit: AlgoPerf's ViT-S/16 at full scale, the same code at lite."""

import collections
import dataclasses
import math
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import workloads
from algoperf_lite.spec import ForwardPassMode, ParameterType
from tests.workloads.dropout_sites import dropout_sites
from workloads.imagenet_pictures import data
from workloads.imagenet_vit.model import Attention, ConvPatches, ViTConfig, sincos_positions

SHAPES = Path(__file__).parents[2].parent / "shared" / "facts" / "param_shapes"
NUM_PARAMS = {
    "imagenet_vit": 22_122_472,
    "imagenet_vit_glu": 50_452_456,
    "imagenet_vit_post_ln": 22_121_704,
    "imagenet_vit_map": 23_896_552,
}
KEY = jax.random.key(0)
TRAIN, EVAL = ForwardPassMode.TRAIN, ForwardPassMode.EVAL


@pytest.fixture(scope="module")
def batch():
    return {name: array[:16] for name, array in data.examples("validation").items()}


def random_params(workload, seed=0):
    """Parameters none of which is zero; the head starts at zero and would hide the rest."""
    rng = np.random.default_rng(seed)
    shapes, state = jax.eval_shape(workload.init_model_fn, KEY)
    assert state == {}
    return jax.tree.map(lambda p: 0.2 * rng.standard_normal(p.shape, np.float32), shapes)


def logits(workload, params, batch, mode=EVAL, rate=None, key=KEY):
    return workload.model_fn(params, batch, {}, mode, key, True, rate)[0]


# --- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NUM_PARAMS)
def test_full_scale_has_algoperfs_sizes(name):
    workload = workloads.load(name, "full")
    assert workload.num_params == NUM_PARAMS[name]
    assert (workload.batch_size, workload.step_hint) == (1024, 167_999)
    with pytest.raises(ValueError, match="by --data_dir"):
        workload.source("train")


@pytest.mark.parametrize("name", ["imagenet_vit", "imagenet_vit_glu", "imagenet_vit_map"])
def test_full_scale_has_algoperfs_shapes(name):
    table = SHAPES / f"{name}.tsv"
    if not table.exists():
        pytest.skip(f"no table of AlgoPerf's shapes at {table}")
    rows = [line.split("\t") for line in table.read_text().splitlines() if line[0] != "#"]
    theirs = collections.Counter(
        tuple(map(int, shape.replace("6x64", "384").split("x"))) for _, _, shape in rows
    )  # heads are one axis here
    leaves = jax.tree.leaves(workloads.load(name, "full").param_shapes)
    assert collections.Counter(leaf.shape_tuple for leaf in leaves) == theirs


def test_param_types_and_output_layer():
    workload = workloads.load("imagenet_vit_map")
    types = workload.model_params_types
    dense = {"kernel": ParameterType.WEIGHT, "bias": ParameterType.BIAS}
    norm = {"scale": ParameterType.LAYER_NORM_SCALE, "bias": ParameterType.LAYER_NORM_BIAS}
    kinds = {"query": "Q", "key": "K", "value": "V", "out": "OUT"}
    attention = {
        name: {
            "kernel": ParameterType[f"ATTENTION_{kind}"],
            "bias": ParameterType.ATTENTION_BIAS,
        }
        for name, kind in kinds.items()
    }
    mlp = {"up": dense, "down": dense}
    assert types["block_0"] == {
        **{"attention_norm": norm, "attention": attention, "mlp_norm": norm, "mlp": mlp}
    }
    assert types["pooling"] == {
        **{"attention": attention, "mlp_norm": norm, "mlp": mlp, "probe": ParameterType.WEIGHT}
    }
    assert types["conv_patches"] == {
        **{"kernel": ParameterType.CONV_WEIGHT, "bias": ParameterType.BIAS}
    }
    assert types["final_norm"] == norm and types["head"] == types["pre_logits"] == dense
    assert [key for key in types if workload.is_output_params(key)] == ["head"]


# --- model ------------------------------------------------------------------------------------


def test_attention_is_flaxs():
    config = ViTConfig(d_model=12, num_heads=3)
    rng = np.random.default_rng(0)
    x_BxTxD, probe_Bx1xD = (rng.standard_normal((4, n, 12), np.float32) for n in (5, 1))
    theirs = nn.MultiHeadDotProductAttention(num_heads=3)
    params = theirs.init(KEY, x_BxTxD)["params"]
    params = jax.tree.map(lambda p: rng.standard_normal(p.shape, np.float32), params)
    ours = {
        name: {
            "kernel": layer["kernel"].reshape(12, 12),
            "bias": layer["bias"].reshape(12),
        }
        for name, layer in params.items()
    }
    for queries in (x_BxTxD, probe_Bx1xD):
        got = Attention(config).apply(
            {"params": ours}, queries.reshape(-1, 12), x_BxTxD.reshape(-1, 12), 4
        )
        expected = theirs.apply({"params": params}, queries, x_BxTxD)
        np.testing.assert_allclose(got, expected.reshape(-1, 12), rtol=1e-3, atol=1e-4)


def test_patches_are_a_convolution():
    x = np.random.default_rng(0).standard_normal((2, 8, 12, 3), np.float32)
    conv = nn.Conv(7, (4, 4), (4, 4), padding="VALID")
    variables = conv.init(KEY, x)
    got = ConvPatches(7, 4).apply(variables, x)
    np.testing.assert_allclose(got, conv.apply(variables, x).reshape(-1, 7), rtol=1e-4, atol=1e-5)


def test_positions_are_sines_and_cosines_of_column_and_row():
    positions = sincos_positions(3, 8).reshape(3, 3, 8)
    row, column = 2, 1
    expected = [f(p * w) for p in (column, row) for f in (math.sin, math.cos) for w in (1, 1e-4)]
    np.testing.assert_allclose(positions[row, column], expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["imagenet_vit_post_ln", "imagenet_vit_map"])
def test_a_fresh_model_knows_nothing(name, batch):
    workload = workloads.load(name)
    params, _ = jax.jit(workload.init_model_fn)(KEY)
    assert (logits(workload, params, batch) == 0).all()
    loss = workload.loss_fn(batch["targets"], logits(workload, params, batch))
    np.testing.assert_allclose(loss["per_example"], math.log(16), rtol=1e-6)


def test_order_of_the_patches_matters(batch):
    workload = workloads.load("imagenet_vit")
    params = random_params(workload)
    turned = {**batch, "inputs": np.roll(batch["inputs"], 4, axis=2)}  # by one patch
    one, other = (logits(workload, params, b) for b in (batch, turned))
    assert np.abs(one - other).max() > 1e-2


def test_post_ln_normalises_after_the_sum(batch):
    base, post = (workloads.load(f"imagenet_vit{v}") for v in ("", "_post_ln"))
    params = random_params(base)
    assert np.abs(logits(base, params, batch) - logits(post, params, batch)).max() > 1e-2
    # Where the last norm of the last block gives zero, nothing of the picture is left.
    last = f"block_{post.config.num_layers - 1}"
    zeros = jax.tree.map(np.zeros_like, params[last]["mlp_norm"])
    params[last] = {**params[last], "mlp_norm": zeros}
    after, before = logits(post, params, batch), logits(base, params, batch)
    np.testing.assert_allclose(after, jnp.broadcast_to(after[0], after.shape), atol=1e-5)
    assert np.abs(before - before[0]).max() > 1e-2


def test_post_ln_has_no_norm_but_those_of_the_blocks(batch):
    full = workloads.load("imagenet_vit_post_ln", "full").param_shapes
    assert "final_norm" not in full and len(jax.tree.leaves(full)) == 198
    workload = workloads.load("imagenet_vit_post_ln")
    params = random_params(workload)
    # Where the last scale is zero, every patch is the last bias, and so is their mean.
    norm = params[f"block_{workload.config.num_layers - 1}"]["mlp_norm"]
    norm["scale"] = np.zeros_like(norm["scale"])
    hidden = norm["bias"] @ params["pre_logits"]["kernel"] + params["pre_logits"]["bias"]
    expected = np.tanh(hidden) @ params["head"]["kernel"] + params["head"]["bias"]
    np.testing.assert_allclose(logits(workload, params, batch)[3], expected, rtol=1e-4, atol=1e-5)


def test_dropout_is_where_algoperf_has_it():
    """After the positions; the attention, the hidden units and the output of the MLP of 12 blocks.
    The MLP of the attention pooling drops nothing."""
    stream, hidden = 14 * 14 * 384, 14 * 14 * 1536
    expected = [stream] + [stream, hidden, stream] * 12
    for name in ("imagenet_vit", "imagenet_vit_map"):
        assert dropout_sites(workloads.load(name, "full")) == expected


def test_the_gate_multiplies(batch):
    workload = workloads.load("imagenet_vit_glu")
    params = random_params(workload)
    for layer in range(workload.config.num_layers):
        mlp = params[f"block_{layer}"]["mlp"]
        mlp["gate"] = {"kernel": 0 * mlp["gate"]["kernel"], "bias": 0 * mlp["gate"]["bias"] + 1}
    base = workloads.load("imagenet_vit")
    without = {k: dict(v) for k, v in params.items()}
    for layer in range(workload.config.num_layers):
        mlp = dict(without[f"block_{layer}"]["mlp"])
        del mlp["gate"]
        without[f"block_{layer}"]["mlp"] = mlp
    open_gate = logits(workload, params, batch)
    np.testing.assert_allclose(open_gate, logits(base, without, batch), rtol=1e-4, atol=1e-4)
    params["block_0"]["mlp"]["gate"]["bias"] *= 2
    assert np.abs(logits(workload, params, batch) - open_gate).max() > 1e-2


def test_the_probe_chooses_what_is_pooled(batch):
    workload = workloads.load("imagenet_vit_map")
    params = random_params(workload)
    before = logits(workload, params, batch)
    params["pooling"]["probe"] = params["pooling"]["probe"] * -3
    assert np.abs(logits(workload, params, batch) - before).max() > 1e-2


@pytest.mark.parametrize("name", ["imagenet_vit", "imagenet_vit_map"])
def test_traced_dropout_rate(name, batch):
    workload = workloads.load(name)
    params, rates = random_params(workload), jnp.array([0.0, 0.1, 0.5])
    run = jax.jit(jax.vmap(lambda rate: logits(workload, params, batch, TRAIN, rate)))
    none, some, half = np.asarray(run(rates))
    np.testing.assert_allclose(none, logits(workload, params, batch), rtol=1e-3, atol=1e-4)
    assert np.abs(none - some).max() > 1e-2 and np.abs(some - half).max() > 1e-2
    config = dataclasses.replace(workload.config, dropout_rate=0.5)
    by_default = dataclasses.replace(workload, config=config)
    np.testing.assert_allclose(logits(by_default, params, batch, TRAIN), half, rtol=1e-3, atol=1e-4)
    evaluated = logits(by_default, params, batch)
    np.testing.assert_allclose(evaluated, none, rtol=1e-3, atol=1e-4)


# --- training targets ---------------------------------------------------------------------------


def test_augmented_targets_are_mixed_and_the_loss_follows(batch):
    workload = workloads.load("imagenet_vit")
    augmented = jax.jit(workload.augment)(batch, jax.random.key(5))
    targets = np.asarray(augmented["targets"])
    assert augmented["inputs"].dtype == np.float32 and targets.shape == (16, 16)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    weight = targets[np.arange(16), batch["targets"]].min()
    one_hot = np.eye(16)[batch["targets"]]
    expected = weight * one_hot + (1 - weight) * np.roll(one_hot, 1, axis=0)
    np.testing.assert_allclose(targets, expected, atol=1e-5)

    scores = np.random.default_rng(0).standard_normal((16, 16)).astype(np.float32)
    log_probabilities = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    smoothed = 0.9 * targets + 0.1 / 16
    loss = workload.loss_fn(augmented["targets"], scores, label_smoothing=0.1)
    np.testing.assert_allclose(
        loss["per_example"], -(smoothed * log_probabilities).sum(axis=1), rtol=1e-4
    )
