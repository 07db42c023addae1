"""imagenet_resnet: AlgoPerf's ResNet-50 at full scale, the same code at lite."""

import collections
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

import workloads
from algoperf_lite.spec import ForwardPassMode, ParameterType
from workloads.imagenet_pictures import data
from workloads.imagenet_resnet.model import ResNet, ResNetConfig

SHAPES = Path(__file__).parents[2].parent / "shared" / "facts" / "param_shapes"
NAMES = ["imagenet_resnet", *workloads.variants("imagenet_resnet")]
KEY = jax.random.key(0)
TRAIN, EVAL = ForwardPassMode.TRAIN, ForwardPassMode.EVAL


@pytest.fixture(scope="module")
def workload():
    return workloads.load("imagenet_resnet")


@pytest.fixture(scope="module")
def model(workload):
    """Parameters of which no scale is zero, so that every block matters, and the state."""
    params, state = jax.jit(workload.init_model_fn)(KEY)
    return jax.tree.map(lambda p: p + 0.1 * (p == 0), params), state


@pytest.fixture(scope="module")
def batch():
    return {name: array[:32] for name, array in data.examples("validation").items()}


def logits(workload, model, batch, mode=EVAL):
    return workload.model_fn(model[0], batch, model[1], mode, KEY, True)[0]


# --- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_full_scale_has_algoperfs_sizes(name):
    workload = workloads.load(name, "full")
    params, state = jax.eval_shape(workload.init_model_fn, KEY)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 25_557_032
    assert sum(leaf.size for leaf in jax.tree.leaves(state)) == 53_120
    assert (workload.batch_size, workload.step_hint) == (1024, 195_999)


def test_full_scale_has_algoperfs_shapes():
    table = SHAPES / "imagenet_resnet.tsv"
    if not table.exists():
        pytest.skip(f"no table of AlgoPerf's shapes at {table}")
    rows = [line.split("\t") for line in table.read_text().splitlines() if line[0] != "#"]
    theirs = collections.Counter((kind, shape) for kind, _, shape in rows)
    trees = jax.eval_shape(workloads.load("imagenet_resnet", "full").init_model_fn, KEY)
    ours = collections.Counter(
        (kind, "x".join(map(str, leaf.shape)))
        for kind, tree in zip(("params", "batch_stats"), trees, strict=True)
        for leaf in jax.tree.leaves(tree)
    )
    assert ours == theirs


def test_full_scale_wants_to_know_where_its_data_are():
    with pytest.raises(ValueError, match="by --data_dir"):
        workloads.load("imagenet_resnet_silu", "full").source("train")


def test_param_types_and_output_layer(workload):
    types = workload.model_params_types
    norm = {"scale": ParameterType.BATCH_NORM_SCALE, "bias": ParameterType.BATCH_NORM_BIAS}
    convolution = {"kernel": ParameterType.CONV_WEIGHT}
    assert types["Conv_init"] == convolution and types["BatchNorm_init"] == norm
    assert types["Bottleneck_0"] == {
        **{f"Conv_{i}": convolution for i in (0, 1, 2, "proj")},
        **{f"BatchNorm_{i}": norm for i in (0, 1, 2, "proj")},
    }
    assert types["head"] == {"kernel": ParameterType.WEIGHT, "bias": ParameterType.BIAS}
    assert [key for key in types if workload.is_output_params(key)] == ["head"]


# --- model ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["imagenet_resnet", "imagenet_resnet_large_bn_init"])
def test_last_scale_of_each_block_and_no_other_starts_apart(name):
    params, _ = jax.jit(workloads.load(name).init_model_fn)(KEY)
    last = 8.0 if name.endswith("large_bn_init") else 0.0
    scales = [
        (path[-2].key, path[0].key, leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if path[-1].key == "scale"
    ]
    assert len(scales) > 10
    for norm, block, leaf in scales:
        expected = last if norm == "BatchNorm_2" and block.startswith("Bottleneck") else 1.0
        assert (leaf == expected).all(), f"{block}/{norm}"


def test_activations_differ(model, batch):
    names = ("imagenet_resnet", "imagenet_resnet_silu", "imagenet_resnet_gelu")
    relu, silu, gelu = (np.asarray(logits(workloads.load(n), model, batch)) for n in names)
    for one, other in ((relu, silu), (relu, gelu), (silu, gelu)):
        assert np.abs(one - other).max() > 1e-3


def test_statistics_change_only_when_asked_in_training(workload, model, batch):
    params, state = model

    def new_state(mode, update):
        return workload.model_fn(params, batch, state, mode, KEY, update)[1]

    for mode, update in ((TRAIN, False), (EVAL, True)):
        jax.tree.map(np.testing.assert_array_equal, new_state(mode, update), state)
    updated = new_state(TRAIN, True)
    for old, new in zip(jax.tree.leaves(state), jax.tree.leaves(updated), strict=True):
        assert (old != new).any()

    # The first batch norm by hand: 0.9 of the old and 0.1 of the batch's mean.
    (pixels,) = workload.model_inputs(batch)
    convolved = jax.lax.conv_general_dilated(
        pixels,
        params["Conv_init"]["kernel"],
        window_strides=(2, 2),
        padding=[(1, 1), (1, 1)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    expected = 0.1 * convolved.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(updated["BatchNorm_init"]["mean"], expected, rtol=1e-3, atol=1e-5)


def test_only_training_sees_the_rest_of_the_batch(workload, model, batch):
    half = {name: array[:16] for name, array in batch.items()}
    whole, alone = (logits(workload, model, b) for b in (batch, half))
    np.testing.assert_allclose(whole[:16], alone, rtol=1e-3, atol=1e-4)
    whole, alone = (logits(workload, model, b, TRAIN) for b in (batch, half))
    assert np.abs(whole[:16] - alone).max() > 1e-2


def test_pixels_may_be_bytes_or_floats(workload, model, batch):
    floats = {**batch, "inputs": batch["inputs"].astype(np.float32)}
    assert (logits(workload, model, batch) == logits(workload, model, floats)).all()
    (inputs,) = workload.model_inputs(data.examples("train"))
    assert np.abs(inputs.mean()) < 0.5 and 0.7 < inputs.std() < 1.3


def test_augmentation_keeps_labels_and_bytes(workload, batch):
    augmented = workload.augment(batch, KEY)
    assert augmented["inputs"].dtype == np.uint8 and augmented["targets"] is batch["targets"]
    changed = (augmented["inputs"] != batch["inputs"]).any(axis=(1, 2, 3))
    assert changed.mean() > 0.8


def test_the_stems_pool_starts_one_pixel_outside_the_picture():
    """Of a map of 4 x 4 the windows are rows and columns (-1, 0, 1) and (1, 2, 3)."""
    config = ResNetConfig(image_size=8, num_classes=1, stage_sizes=(), num_filters=1, stem_size=1)
    # The stem's convolution picks the first channel of every second pixel.
    x_1xHxWxC = np.full((1, 8, 8, 3), 99.0, np.float32)
    x_1xHxWxC[0, ::2, ::2, 0] = np.arange(16).reshape(4, 4)
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    params = {
        "Conv_init": {"kernel": np.array([1, 0, 0], np.float32).reshape(1, 1, 3, 1)},
        "BatchNorm_init": {"scale": one, "bias": zero},
        "head": {"kernel": one[None], "bias": zero},
    }
    statistics = {"BatchNorm_init": {"mean": zero, "var": one}}
    variables = {"params": params, "batch_stats": statistics}
    logit = ResNet(config).apply(variables, x_1xHxWxC, False, 0.0)
    # The variance has an epsilon of 1e-5 added to it.
    np.testing.assert_allclose(logit, [[(5 + 7 + 13 + 15) / 4]], rtol=1e-5)


# --- loss and metrics ---------------------------------------------------------------------------


def test_loss_by_hand(workload):
    scores = jnp.zeros((3, 16)).at[0, 2].set(np.log(15.0))  # half of the probability
    labels = jnp.array([2, 0, 5])
    plain = workload.loss_fn(labels, scores)
    np.testing.assert_allclose(plain["per_example"], np.log([2, 16, 16]), rtol=1e-6)
    assert plain["n_valid_examples"] == 3

    masked = workload.loss_fn(labels, scores, jnp.array([1.0, 0.0, 1.0]))
    np.testing.assert_allclose(masked["summed"], np.log(2 * 16), rtol=1e-6)
    assert masked["n_valid_examples"] == 2

    smoothed = jax.jit(lambda s: workload.loss_fn(labels, scores, None, s)["per_example"])(0.16)
    by_hand = 0.85 * np.log(2) + 15 * 0.01 * np.log(30)  # 0.84 + 0.01 for the label
    np.testing.assert_allclose(smoothed[0], by_hand, rtol=1e-5)


def test_metrics_are_those_of_scikit_learn(workload, model, batch):
    step = jax.jit(workload.eval_step)
    outputs = {k: np.asarray(v) for k, v in step(model[0], batch, model[1], KEY).items()}
    metrics = workload.eval_metrics(outputs)
    scores = np.asarray(logits(workload, model, batch), np.float64)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = batch["targets"]
    assert metrics.keys() == {"accuracy", "loss"} and not workload.lower_is_better
    assert metrics["accuracy"] == pytest.approx(accuracy_score(labels, scores.argmax(axis=1)))
    expected = log_loss(labels, probabilities, labels=range(16))
    assert metrics["loss"] == pytest.approx(expected, rel=1e-4)
