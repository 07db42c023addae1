"""The language-model workload: sizes, data, causality, positions, masks, metric."""

import collections
import dataclasses
import functools
import hashlib
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import workloads
from algoperf_lite.spec import ForwardPassMode, ParameterType
from workloads import platform
from workloads.finewebedu_lm import data
from workloads.finewebedu_lm.model import MLP, LMConfig, QueryKeyNorm, causal_attention, rotate
from workloads.finewebedu_lm.workload import VARIANTS

ROOT = Path(__file__).parents[2]
TINY = {"vocab_size": 11, "seq_len": 8, "d_model": 16, "num_layers": 1, "mlp_hidden": 12}
NAMES = ["finewebedu_lm", *(f"finewebedu_lm_{variant}" for variant in VARIANTS)]


def tiny(name="finewebedu_lm", **changes):
    workload = workloads.load(name)
    config = dataclasses.replace(workload.config, **TINY, **changes)
    return dataclasses.replace(workload, config=config)


def batch_of(workload, size=3, seed=0):
    shape = (size, workload.config.seq_len + 1)
    tokens = np.random.default_rng(seed).integers(0, workload.config.vocab_size, shape)
    return {"inputs": jnp.asarray(tokens[:, :-1]), "targets": jnp.asarray(tokens[:, 1:])}


def params_of(workload, seed=0):
    """Arbitrary parameters, much faster than compiling the initialisation."""
    shapes = jax.eval_shape(workload.init_model_fn, jax.random.key(0))[0]
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: jnp.asarray(random.normal(0.3, 0.3, leaf.shape), leaf.dtype), shapes
    )


@functools.partial(jax.jit, static_argnums=0)
def logits_of(workload, params, batch):
    rng = jax.random.key(1)
    return workload.model_fn(params, batch, {}, ForwardPassMode.TRAIN, rng, True)[0]


@functools.partial(jax.jit, static_argnums=0)
def mean_loss(workload, params, batch):
    loss = workload.loss_fn(batch["targets"], logits_of(workload, params, batch))
    return loss["summed"] / loss["n_valid_examples"]


def test_full_scale_is_algoperfs_model():
    full = workloads.load("finewebedu_lm", scale="full")
    assert full.num_params == 252_815_372
    assert (full.config.vocab_size, full.config.seq_len) == (50_257, 1024)
    with pytest.raises(ValueError, match="by --data_dir"):
        full.source("train")


def test_full_scale_has_algoperfs_leaves_and_types():
    """110 leaves: values and gates of an MLP are one. Only two types are more than WEIGHT."""
    full = workloads.load("finewebedu_lm", scale="full")
    assert full.param_shapes["mlp_11"]["up"]["kernel"].shape_tuple == (1024, 8192)
    types = full.model_params_types
    assert collections.Counter(jax.tree.leaves(types)) == {
        # Of each of 12 layers: 4 of attention and its scale, 2 of the MLP, 2 norms.
        ParameterType.WEIGHT: 12 * (4 + 1 + 2 + 2),
        ParameterType.EMBEDDING: 1,
        ParameterType.LAYER_NORM_SCALE: 1,
    }
    assert types["final_norm"]["scale"] == ParameterType.LAYER_NORM_SCALE
    assert types["token_embed"]["embedding"] == ParameterType.EMBEDDING


def test_the_scale_of_attention_is_a_parameter_of_the_models_precision():
    q = np.ones((1, 1, 1, 4), np.float32)
    for dtype, start in (("float32", 19.99859), ("bfloat16", 20.0)):  # log2(1024^2 - 1024)
        scale = QueryKeyNorm(1024, dtype).init(jax.random.key(0), q, q)["params"]["scale"]
        assert scale.dtype == jnp.dtype(dtype) and float(scale) == pytest.approx(start, abs=1e-5)


def test_the_second_half_gates_the_first():
    config = LMConfig(d_model=2, mlp_hidden=1, num_layers=1, dtype="float32")
    up = np.array([[1, 3], [0, 2]], np.float32)  # a column of values and one of gates
    params = {"up": {"kernel": up}, "down": {"kernel": np.array([[1, -1]], np.float32)}}
    found = MLP(config).apply({"params": params}, np.array([[2, -1]], np.float32))
    value, gate = 2, 1 / (1 + np.exp(-4))
    np.testing.assert_allclose(found, [[value * gate, -value * gate]], rtol=1e-6)


def test_splits_share_no_file():
    files = [module for modules in data.FILES.values() for module in modules]
    assert len(files) == len(set(files))


def test_windows_are_consecutive_bytes_of_the_files():
    lite = workloads.load("finewebedu_lm")
    sizes = {"train": len(data.windows("train", 64)), "validation": 192, "test": 192}
    for split, size in sizes.items():
        arrays = lite.dataset(split)
        assert arrays["inputs"].shape == arrays["targets"].shape == (size, 64)
        assert arrays["inputs"].dtype == arrays["targets"].dtype == np.int32
        np.testing.assert_array_equal(arrays["inputs"][:, 1:], arrays["targets"][:, :-1])
    first = data.windows("validation", 64)[:2].tobytes()
    source = Path(sys.modules["concurrent"].__file__).parent / "futures" / "_base.py"
    assert source.read_bytes().startswith(first)
    assert len(data.windows("validation", 64)) > 1000


def test_another_process_reads_the_same_bytes():
    digest = (
        "import hashlib; from workloads.finewebedu_lm import data; print([hashlib.sha256("
        "s[k].tobytes()).hexdigest() for s in data.splits(64, 192).values() for k in sorted(s)])"
    )
    out = subprocess.run(
        [sys.executable, "-c", digest],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    here = [
        hashlib.sha256(split[key].tobytes()).hexdigest()
        for split in data.splits(64, 192).values()
        for key in sorted(split)
    ]
    assert out.strip() == str(here)


def test_a_missing_source_file_is_one_clear_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(data.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(ValueError, match="source of the standard library"):
        data.windows("test", 64)


@pytest.mark.parametrize("name", ["finewebedu_lm", "finewebedu_lm_learned_positions"])
def test_later_tokens_do_not_change_earlier_logits(name):
    workload = tiny(name)
    batch = batch_of(workload)
    changed = {"inputs": batch["inputs"].at[:, 5].add(1) % workload.config.vocab_size}
    params = params_of(workload)
    before, after = logits_of(workload, params, batch), logits_of(workload, params, changed)
    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    assert not np.allclose(before[:, 5:], after[:, 5:], rtol=1e-4)


def test_rotation_equals_complex_multiplication():
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 8)).astype(np.float32)
    angles = np.arange(7)[:, None] / 10.0 ** (2 * np.arange(4) / 8)
    turned = (x[..., :4] + 1j * x[..., 4:]) * np.exp(1j * angles)
    expected = np.concatenate([turned.real, turned.imag], axis=-1)
    np.testing.assert_allclose(rotate(jnp.asarray(x), theta=10.0), expected, atol=1e-5)


def test_rotated_scores_depend_on_the_offset_alone():
    q, k = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)
    same = [jnp.broadcast_to(x, (1, 1, 9, 8)) for x in (q, k)]
    q_TxK, k_TxK = (np.asarray(rotate(x, theta=100.0))[0, 0] for x in same)
    scores = q_TxK @ k_TxK.T
    for offset in range(-8, 9):
        np.testing.assert_allclose(np.ptp(np.diagonal(scores, offset)), 0, atol=1e-4)
    assert np.ptp(scores) > 0.1


def test_attention_equals_jax_nn():
    q, k, v = np.random.default_rng(0).normal(size=(3, 2, 5, 3, 4)).astype(np.float32)
    expected = jax.nn.dot_product_attention(q, k, v, scale=1.0, is_causal=True)
    actual = causal_attention(*(x.swapaxes(1, 2) for x in (q, k, v))).swapaxes(1, 2)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_a_method_of_attention_without_its_device_is_refused():
    q = jnp.zeros((1, 1, 3, 4))
    with pytest.raises(ValueError, match="unknown method 'flash'"):
        causal_attention(q, q, q, "flash")
    with pytest.raises(ValueError, match="these are float32 of width 4"):
        causal_attention(q, q, q, "cudnn")


@pytest.mark.accelerator
@pytest.mark.parametrize("members", [0, 2])
def test_on_a_gpu_cudnns_attention_is_the_einsums(members):
    if not platform.has_cudnn():
        pytest.skip("cuDNN is for NVIDIA's cards")
    shape = (members, 2, 3, 256, 64) if members else (2, 3, 256, 64)
    q, k, v = np.random.default_rng(0).normal(0, 0.5, (3, *shape))
    exact = [jnp.asarray(x, jnp.float32) for x in (q, k, v)]
    rounded = [x.astype(jnp.bfloat16) for x in exact]

    def gradients(method, inputs):
        one = lambda q, k, v: causal_attention(q, k, v, method)  # noqa: E731
        attention = jax.vmap(one) if members else one
        weights = jnp.cos(jnp.arange(np.prod(shape)).reshape(shape))
        total = lambda inputs: (weights * attention(*inputs).astype(jnp.float32)).sum()  # noqa: E731
        return attention(*inputs), *jax.grad(total)(inputs)

    found, by_einsum = gradients("cudnn", rounded), gradients("einsum", rounded)
    with jax.default_matmul_precision("highest"):
        expected = gradients("einsum", [x.astype(jnp.float32) for x in rounded])
    # Both round to bfloat16 on the way; cuDNN's errors are to be no larger than the einsum's are.
    for ours, theirs, exactly in zip(found, by_einsum, expected, strict=True):
        error, allowed = (np.abs(np.float32(x) - np.float32(exactly)).max() for x in (ours, theirs))
        assert error <= 2 * allowed + 1e-2 * np.abs(exactly).max()


@pytest.mark.parametrize("per_token", [False, True])
def test_a_padded_row_weighs_nothing(per_token):
    workload = tiny()
    batch = batch_of(workload)
    logits = logits_of(workload, params_of(workload), batch)
    mask = np.array([1.0, 0.0, 1.0], np.float32)
    mask = np.tile(mask[:, None], (1, 8)) if per_token else mask
    loss = workload.loss_fn(batch["targets"], logits.at[1].set(1e3), mask)
    kept = workload.loss_fn(batch["targets"][::2], logits[::2])
    assert loss["n_valid_examples"] == kept["n_valid_examples"] == 16
    assert loss["per_example"].shape == (3, 8)
    np.testing.assert_allclose(loss["summed"], kept["summed"], rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_and_reach_every_parameter(name):
    workload = tiny(name)
    grads = jax.grad(mean_loss, argnums=1)(workload, params_of(workload), batch_of(workload))
    for path, grad in jax.tree_util.tree_leaves_with_path(grads):
        assert np.isfinite(grad).all() and np.any(grad != 0), jax.tree_util.keystr(path)


def test_vmap_over_members_equals_one_by_one():
    workload = tiny()
    batch = batch_of(workload)
    members = [params_of(workload, seed) for seed in range(2)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *members)
    losses = jax.vmap(functools.partial(mean_loss, workload), in_axes=(0, None))(stacked, batch)
    expected = [mean_loss(workload, params, batch) for params in members]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_bfloat16_computes_near_float32_and_keeps_float32_parameters_but_for_the_scale():
    workload = tiny(dtype="bfloat16", scale_dtype="bfloat16")  # AlgoPerf's
    params, batch = params_of(workload), batch_of(workload)
    scale = params["attention_0"]["qk_norm"].pop("scale")
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    assert scale.dtype == jnp.bfloat16
    params["attention_0"]["qk_norm"]["scale"] = scale
    logits = logits_of(workload, params, batch)
    assert logits.dtype == jnp.float32
    in_float32 = logits_of(tiny(), params, batch)
    few_roundings = 4 * float(jnp.finfo(jnp.bfloat16).eps)
    np.testing.assert_allclose(logits, in_float32, rtol=few_roundings, atol=few_roundings)
    assert not np.array_equal(logits, in_float32)


def test_initial_values_and_output_layer():
    workload = workloads.load("finewebedu_lm")
    params = jax.jit(workload.init_model_fn)(jax.random.key(0))[0]
    np.testing.assert_allclose(params["attention_0"]["qk_norm"]["scale"], np.log2(64**2 - 64))
    np.testing.assert_allclose(params["attention_0"]["query"]["kernel"].std(), 0.02, rtol=0.05)
    np.testing.assert_allclose(params["mlp_0"]["down"]["kernel"].std(), 0.01, rtol=0.05)
    assert workload.is_output_params("token_embed") and not workload.is_output_params("mlp_0")


def test_perplexity_is_the_exponential_of_the_mean_token_loss():
    workload = tiny()
    params, batch = params_of(workload), batch_of(workload, size=5)
    logits = np.asarray(logits_of(workload, params, batch), np.float64)
    log_probs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    losses = -np.take_along_axis(log_probs, np.asarray(batch["targets"])[..., None], axis=-1)
    rng = jax.random.key(0)
    eval_step = jax.jit(workload.eval_step)
    metrics = workload.eval_metrics(eval_step(params, batch, {}, rng))
    np.testing.assert_allclose(metrics["loss"], losses.mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["ppl"], np.exp(losses.mean()), rtol=1e-5)
    # A row of weight 0 must not count, nor as tokens.
    weights = np.array([1.0, 1.0, 1.0, 0.0, 1.0], np.float32)
    outputs = eval_step(params, {**batch, "weights": weights}, {}, rng)
    expected = np.exp(losses[weights > 0].mean())
    np.testing.assert_allclose(workload.eval_metrics(outputs)["ppl"], expected, rtol=1e-5)
    assert workload.target_metric_name == "ppl" and workload.lower_is_better


def test_variants_are_other_models():
    sizes = {name: workloads.load(name).num_params for name in NAMES}
    assert sizes["finewebedu_lm_no_qk_norm"] == sizes["finewebedu_lm"] - 2
    assert sizes["finewebedu_lm_learned_positions"] == sizes["finewebedu_lm"] + 64 * 64
    assert sizes["finewebedu_lm_relu_mlp"] == sizes["finewebedu_lm"] - 2 * 64 * 128
    assert LMConfig() == workloads.load("finewebedu_lm", scale="full").config
