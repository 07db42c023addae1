"""DeepSpeech: parameter types, the bidirectional LSTM against linen's, its variant of norms."""

import flax.linen as nn
import jax
import numpy as np
import pytest

import workloads
from algoperf_lite.spec import ParameterType
from workloads.librispeech.layers import SpeechInput
from workloads.librispeech_deepspeech.model import BiLSTM

BASE = "librispeech_deepspeech"


def test_param_types_and_output_layer():
    workload = workloads.load(BASE)
    types = workload.model_params_types
    plain = {"kernel": ParameterType.WEIGHT, "bias": ParameterType.BIAS}
    conv = {"kernel": ParameterType.CONV_WEIGHT, "bias": ParameterType.BIAS}
    assert types["SpeechInput_0"] == {"Conv_0": conv, "Conv_1": conv, "Dense_0": plain}
    assert types["Dense_0"] == types["output"] == plain
    assert types["BiLSTM_0"]["backward"]["input_f"] == {"kernel": ParameterType.WEIGHT}
    assert types["BiLSTM_1"]["forward"]["hidden_o"] == plain
    assert types["BatchNorm_0"] == {
        "scale": ParameterType.BATCH_NORM_SCALE,
        "bias": ParameterType.BATCH_NORM_BIAS,
    }
    assert types["LayerNorm_0"] == {
        "scale": ParameterType.LAYER_NORM_SCALE,
        "bias": ParameterType.LAYER_NORM_BIAS,
    }
    assert [key for key in types if workload.is_output_params(key)] == ["output"]


def test_lstm_equals_linens():
    rng, lengths = np.random.default_rng(0), np.array([6, 3, 1])
    x, valid = rng.normal(size=(3, 6, 5)).astype(np.float32), np.arange(6) < lengths[:, None]
    ours = BiLSTM(4)
    shapes = jax.eval_shape(ours.init, jax.random.key(0), x, valid)["params"]
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), shapes)
    got = ours.apply({"params": params}, x, valid)
    expected = []
    for name, reverse in (("forward", False), ("backward", True)):
        theirs = nn.RNN(nn.OptimizedLSTMCell(4), reverse=reverse, keep_order=True)
        # Our input_f is their if, our hidden_f their hf.
        cell = {f"{gate[0]}{gate[-1]}": leaves for gate, leaves in params[name].items()}
        expected.append(theirs.apply({"params": {"cell": cell}}, x, seq_lengths=lengths))
    expected = np.concatenate(expected, axis=-1)
    np.testing.assert_allclose(got[valid], expected[valid], rtol=1e-3, atol=1e-5)
    assert not np.any(got[~valid])


def test_norm_and_spec_aug_masks_more_and_has_layer_norms():
    variant, base = (workloads.load(f"{BASE}{suffix}") for suffix in ("_norm_and_spec_aug", ""))
    # Before each LSTM and feed-forward layer, and none before the output.
    layers = variant.config.num_lstm_layers + variant.config.num_ffn_layers
    assert sum("LayerNorm" in name for name in variant.param_shapes) == layers
    assert not any("BatchNorm" in name for name in variant.param_shapes)
    masks = [(w.config.freq_masks, w.config.time_masks) for w in (base, variant)]
    assert masks == [(2, 10), (4, 15)]


@pytest.mark.parametrize("name, value", [(BASE, 0.0), (f"{BASE}_tanh", np.tanh(-0.5))])
def test_activation_of_a_variant_follows_its_convolutions(name, value):
    workload, found = workloads.load(name), []

    def record(call, args, kwargs, context):
        if isinstance(context.module, SpeechInput) and context.method_name == "__call__":
            found.append(context.module.activate)
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        jax.eval_shape(workload.init_model_fn, jax.random.key(0))
    (activate,) = found
    np.testing.assert_allclose(activate(-0.5), value, rtol=1e-6)
