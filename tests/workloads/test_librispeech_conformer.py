"""The Conformer: parameter types, convolution, attention and norms against numpy or XLA."""

import dataclasses
import functools

import jax
import numpy as np

import workloads
from algoperf_lite.spec import ParameterType
from workloads.librispeech_conformer.model import (
    ConformerBlock,
    ConformerConfig,
    DepthwiseConv,
    SelfAttention,
)

CONFIG = ConformerConfig(d_model=8, num_heads=2, mlp_factor=2)


def test_param_types_and_output_layer():
    workload = workloads.load("librispeech_conformer")
    types = workload.model_params_types
    block = types["block_0"]
    plain = {"kernel": ParameterType.WEIGHT, "bias": ParameterType.BIAS}
    conv = {"kernel": ParameterType.CONV_WEIGHT, "bias": ParameterType.BIAS}
    assert types["SpeechInput_0"] == {"Conv_0": conv, "Conv_1": conv, "Dense_0": plain}
    assert types["output"] == plain
    assert block["FeedForward_0"]["Dense_0"] == plain
    # As in AlgoPerf, whose rule sees the block's name: all three dense layers of it.
    assert [block["Convolution_0"][f"Dense_{i}"] for i in range(3)] == [conv] * 3
    assert block["Convolution_0"]["DepthwiseConv_0"] == {"kernel": ParameterType.CONV_WEIGHT}
    assert block["Convolution_0"]["BatchNorm_0"] == {
        "scale": ParameterType.BATCH_NORM_SCALE,
        "bias": ParameterType.BATCH_NORM_BIAS,
    }
    assert block["LayerNorm_0"] == {
        "scale": ParameterType.LAYER_NORM_SCALE,
        "bias": ParameterType.LAYER_NORM_BIAS,
    }
    for module, kind in {"query": "Q", "key": "K", "value": "V", "out": "OUT"}.items():
        assert block["attention"][module] == {
            "kernel": ParameterType[f"ATTENTION_{kind}"],
            "bias": ParameterType.ATTENTION_BIAS,
        }
    assert [key for key in types if workload.is_output_params(key)] == ["output"]


def test_depthwise_convolution_equals_xlas():
    random = np.random.default_rng(0)
    x, kernel = (random.normal(size=s).astype(np.float32) for s in ((2, 9, 7), (5, 1, 7)))
    expected = jax.lax.conv_general_dilated(
        x, kernel, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"), feature_group_count=7
    )
    got = DepthwiseConv(5).apply({"params": {"kernel": kernel}}, x)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_attention_equals_numpy():
    rng = np.random.default_rng(0)
    x, valid = rng.normal(size=(2, 5, 8)).astype(np.float32), np.arange(5) < [[5], [3]]
    layer = SelfAttention(dataclasses.replace(CONFIG, attention_temperature=1.6))
    init = functools.partial(layer.init, dropout_rate=0.0, deterministic=True)
    shapes = jax.eval_shape(init, jax.random.key(0), x, valid)["params"]
    p = jax.tree.map(lambda leaf: rng.normal(0.0, 0.5, leaf.shape), shapes)
    normed = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    normed = normed * (1 + p["LayerNorm_0"]["scale"]) + p["LayerNorm_0"]["bias"]
    q, k, v = (
        (normed @ p[name]["kernel"] + p[name]["bias"]).reshape(2, 5, 2, 4)
        for name in ("query", "key", "value")
    )
    # The learned scale is 1 / sqrt(width) where the parameter is 0.
    q *= np.log1p(np.exp(p["query_scale"])) / np.log(2) / np.sqrt(4)
    scores = np.einsum("bthk,bshk->bhts", q, k)
    weights = np.exp(scores) * valid[:, None, None, :]
    weights /= weights.sum(axis=-1, keepdims=True)
    y = np.einsum("bhts,bshk->bthk", weights, v).reshape(2, 5, 8)
    # As in AlgoPerf, the temperature multiplies what attention returns.
    expected = 1.6 * y @ p["out"]["kernel"] + p["out"]["bias"]
    got = layer.apply({"params": p}, x, valid, 0.0, True)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


def test_layernorm_variant_leaves_out_the_last_norm_of_a_block():
    assert not workloads.load("librispeech_conformer_layernorm").config.block_norm
    rng = np.random.default_rng(0)
    x, valid = rng.normal(size=(1, 5, 8)).astype(np.float32), np.ones((1, 5), bool)
    with_norm, without = (
        ConformerBlock(dataclasses.replace(CONFIG, block_norm=norm)) for norm in (True, False)
    )
    still = {"train": False, "dropout_rate": 0.0}
    variables = jax.jit(functools.partial(with_norm.init, **still))(jax.random.key(0), x, valid)
    params = {k: v for k, v in variables["params"].items() if k != "LayerNorm_0"}
    y = jax.jit(functools.partial(with_norm.apply, **still))(variables, x, valid)
    others = {**variables, "params": params}
    z = np.asarray(jax.jit(functools.partial(without.apply, **still))(others, x, valid))
    z = (z - z.mean(-1, keepdims=True)) / z.std(-1, keepdims=True)
    np.testing.assert_allclose(y, z, rtol=1e-3, atol=1e-4)
