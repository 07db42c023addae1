"""What both speech models must do: AlgoPerf's sizes, padding, state, dropout, variants."""

import collections
import dataclasses
import functools
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import pytest

import workloads
from algoperf_lite.spec import ForwardPassMode
from workloads.layers import Dropout
from workloads.librispeech import data

SHAPES = Path(__file__).parents[3] / "shared" / "facts" / "param_shapes"
CONFORMER, DEEPSPEECH = FAMILIES = ("librispeech_conformer", "librispeech_deepspeech")
SIZES = {  # parameters, batch norm state
    CONFORMER: (32_321_792, 4096),
    f"{CONFORMER}_attention_temperature": (32_321_792, 4096),
    f"{CONFORMER}_layernorm": (32_317_696, 4096),
    f"{CONFORMER}_gelu": (32_321_792, 4096),
    DEEPSPEECH: (18_381_312, 9216),
    f"{DEEPSPEECH}_tanh": (18_381_312, 9216),
    f"{DEEPSPEECH}_no_resnet": (18_381_312, 9216),
    f"{DEEPSPEECH}_norm_and_spec_aug": (18_380_288, 0),
}
TABLES = [CONFORMER, f"{CONFORMER}_layernorm", DEEPSPEECH, f"{DEEPSPEECH}_norm_and_spec_aug"]
SAME_SHAPES = [  # variants with the parameters of their base
    f"{CONFORMER}_attention_temperature",
    f"{CONFORMER}_gelu",
    f"{DEEPSPEECH}_tanh",
    f"{DEEPSPEECH}_no_resnet",
]
SMALL = {
    CONFORMER: {"d_model": 32, "num_heads": 2, "num_blocks": 1, "subsample_channels": 2},
    DEEPSPEECH: {
        "d_model": 32,
        "num_lstm_layers": 1,
        "num_ffn_layers": 1,
        "subsample_channels": 2,
    },
}
EVAL, TRAIN = ForwardPassMode.EVAL, ForwardPassMode.TRAIN


def small(name):
    workload = workloads.load(name)
    (sizes,) = (SMALL[family] for family in FAMILIES if name.startswith(family))
    config = dataclasses.replace(workload.config, **sizes)
    return dataclasses.replace(workload, config=config)


def params_of(workload):
    """Arbitrary parameters and running statistics, faster than compiling the initialisation."""
    shapes = jax.eval_shape(workload.init_model_fn, jax.random.key(0))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.uniform(0.1, 0.4, leaf.shape).astype(np.float32), shapes)


def batch_of(size=4):
    return {name: array[:size] for name, array in data.utterances("validation").items()}


@functools.partial(jax.jit, static_argnames=("workload", "mode", "update"))
def _apply(workload, params, state, batch, mode, update, rate, seed):
    rng = jax.random.key(seed)
    (logits, paddings), state = workload.model_fn(params, batch, state, mode, rng, update, rate)
    return logits, paddings, state


def apply(workload, params, state, batch, mode=EVAL, update=True, rate=0.0, seed=0):
    """Logits, paddings and new state; arguments of one type, so that few programs serve all."""
    rate, seed = np.float32(rate), np.uint32(seed)
    return _apply(workload, params, state, batch, mode, update, rate, seed)


# --- AlgoPerf's sizes -------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIZES)
def test_full_scale_has_algoperfs_sizes(name):
    full = workloads.load(name, "full")
    state = jax.eval_shape(full.init_model_fn, jax.random.key(0))[1]
    assert (full.num_params, sum(leaf.size for leaf in jax.tree.leaves(state))) == SIZES[name]


@pytest.mark.parametrize("name", TABLES)
def test_full_scale_has_algoperfs_parameter_shapes(name):
    table = SHAPES / f"{name}.tsv"
    if not table.exists():
        pytest.skip(f"no table of AlgoPerf's shapes at {table}")
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    theirs = [tuple(map(int, row[2].split("x"))) for row in rows if row[0] == "params"]
    flat = {(8, 64): (512,), (512, 8, 64): (512, 512), (8, 64, 512): (512, 512)}  # heads
    expected = collections.Counter(flat.get(shape, shape) for shape in theirs)
    leaves = jax.tree.leaves(workloads.load(name, "full").param_shapes)
    assert collections.Counter(leaf.shape_tuple for leaf in leaves) == expected


@pytest.mark.parametrize("name", FAMILIES)
def test_full_scale_wants_to_know_where_its_data_are(name):
    full = workloads.load(name, "full")
    assert full.config == type(full.config)()
    assert full.example_batch()["inputs"].shape == (1, 320_000)
    with pytest.raises(ValueError, match="by --data_dir"):
        full.source("train")


# --- behaviour --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [EVAL, TRAIN])
@pytest.mark.parametrize("name", FAMILIES)
def test_longer_silence_after_an_utterance_changes_nothing(name, mode):
    workload = small(name)
    if name == DEEPSPEECH:  # what is dropped depends on the number of frames
        config = dataclasses.replace(workload.config, residual_dropout_rate=0.0)
        workload = dataclasses.replace(workload, config=config)
    params, state = params_of(workload)
    utterances = data.utterances("validation")
    # Some that end well before their row does, whose end a convolution hears as well.
    rows = np.flatnonzero(utterances["input_lengths"] < 3400)[:4]
    batch = {key: array[rows] for key, array in utterances.items()}
    # Sixteen frames more, so that every stride of 2 starts as before.
    longer = {**batch, "inputs": np.pad(batch["inputs"], ((0, 0), (0, 640)))}
    logits, paddings, new = apply(workload, params, state, batch, mode)
    of_longer, longer_paddings, new_of_longer = apply(workload, params, state, longer, mode)
    valid, num_frames = np.asarray(paddings) == 0, paddings.shape[1]
    np.testing.assert_array_equal(paddings, longer_paddings[:, :num_frames])
    assert (longer_paddings[:, num_frames:] == 1).all() and 0 < valid.sum() < valid.size
    of_longer = of_longer[:, :num_frames]
    np.testing.assert_allclose(logits[valid], of_longer[valid], rtol=1e-4, atol=1e-4)
    for one, other in zip(*map(jax.tree.leaves, (new, new_of_longer)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)


@pytest.mark.parametrize("name", SAME_SHAPES)
def test_variants_are_other_functions_of_the_same_parameters(name):
    base, other = (small(n) for n in (name[: name.index("_", len("librispeech_"))], name))
    params, state = params_of(base)
    batch = batch_of()
    logits = [apply(workload, params, state, batch)[0] for workload in (base, other)]
    assert not np.allclose(*logits, rtol=1e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_running_statistics_change_only_when_asked(name):
    workload = small(name)
    params, state = params_of(workload)
    batch = batch_of()
    for mode, update, changes in ((TRAIN, True, True), (TRAIN, False, False), (EVAL, True, False)):
        new = apply(workload, params, state, batch, mode, update)[2]
        same = jax.tree.map(np.array_equal, state, new)
        assert set(jax.tree.leaves(same)) == {not changes}


@pytest.mark.parametrize("name", FAMILIES)
def test_dropout_rate_is_traced_and_drawn_in_training_alone(name):
    workload = small(name)
    params, state = params_of(workload)
    run = functools.partial(apply, workload, params, state, batch_of())
    logits = [run(mode=TRAIN, rate=rate)[0] for rate in (0.0, 0.3)]
    assert not np.allclose(*logits, rtol=1e-2)
    assert not np.array_equal(logits[0], run(mode=TRAIN, seed=1)[0])  # SpecAugment draws too
    np.testing.assert_array_equal(run(rate=0.0)[0], run(rate=0.3, seed=1)[0])


def dropouts(name, rate):
    """Width and rate of every dropout of a training step at full scale, in the order of calls."""
    workload, found = workloads.load(name, "full"), []

    def record(call, args, kwargs, context):
        if isinstance(context.module, Dropout) and context.method_name == "__call__":
            x, at, deterministic = args
            assert not deterministic
            found.append((x.shape[-1], at))
        return call(*args, **kwargs)

    params, state = jax.eval_shape(workload.init_model_fn, jax.random.key(0))
    batch = {"inputs": np.zeros((1, 16_000), np.int16), "input_lengths": np.array([16_000])}
    with nn.intercept_methods(record):
        jax.eval_shape(
            lambda p, s: workload.model_fn(p, batch, s, TRAIN, jax.random.key(0), True, rate),
            params,
            state,
        )
    return collections.Counter(found)


def test_conformer_drops_at_algoperfs_25_sites():
    # The input; in each of 4 blocks 4 within and after two feed-forward layers, attention,
    # convolution. Within a feed-forward layer it is 2048 wide.
    assert dropouts(CONFORMER, 0.3) == {(512, 0.3): 1 + 4 * 4, (2048, 0.3): 4 * 2}


def test_deepspeech_drops_a_tenth_in_layers_with_a_residual_whatever_is_asked():
    assert dropouts(DEEPSPEECH, 0.3) == {(512, 0.3): 1, (512, 0.1): 3}
    assert dropouts(f"{DEEPSPEECH}_no_resnet", 0.3) == {(512, 0.3): 4}
