"""fastmri: AlgoPerf's U-Net, its loss and its metric."""

import dataclasses
import functools
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import optax
import pytest
from skimage.metrics import structural_similarity

import workloads
from algoperf_lite.spec import ForwardPassMode, ParameterType
from tests.workloads.dropout_sites import dropout_sites
from workloads.fastmri import data
from workloads.fastmri.model import ConvBlock, TransposeConvBlock, UNet, UNetConfig, instance_norm
from workloads.layers import lecun_normal

SHAPES = Path(__file__).parents[3] / "shared" / "facts" / "param_shapes"
NUM_PARAMS = {
    "fastmri": 7_756_097,
    "fastmri_model_size": 7_692_929,
    "fastmri_tanh": 7_756_097,
    "fastmri_layernorm": 7_761_985,
}
TINY = UNetConfig(channels=3, num_pools=1)


def params_of(model, image_BxHxW, seed=0):
    """Arbitrary parameters, much faster than compiling the initialisation."""
    init = functools.partial(model.init, train=False, dropout_rate=0.0)
    shapes = jax.eval_shape(init, jax.random.key(0), image_BxHxW)["params"]
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: random.normal(0.1, 0.5, leaf.shape).astype("f"), shapes)


def images(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@functools.partial(jax.jit, static_argnames="config")
def apply(config, params, x):
    return UNet(config).apply({"params": params}, x, train=True, dropout_rate=0.0)


# --- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NUM_PARAMS)
def test_full_scale_has_algoperfs_parameters(name):
    workload = workloads.load(name, "full")
    assert workload.num_params == NUM_PARAMS[name]
    table = SHAPES / f"{name.removesuffix('_tanh')}.tsv"
    if not table.exists():
        pytest.skip(f"no table of AlgoPerf's shapes at {table}")
    rows = [line.split("\t") for line in table.read_text().splitlines() if line[0] != "#"]
    leaves = jax.tree_util.tree_leaves_with_path(workload.param_shapes)
    ours = {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape_tuple
        for path, leaf in leaves
    }
    assert ours == {name: tuple(map(int, shape.split("x"))) for _, name, shape in rows}


def test_full_scale_wants_to_know_where_its_data_are():
    with pytest.raises(ValueError, match="by --data_dir"):
        workloads.load("fastmri_tanh", "full").source("train")


def test_variants_are_all_of_algoperfs():
    assert sorted(NUM_PARAMS) == sorted(["fastmri", *workloads.variants("fastmri")])


def test_param_types_and_output_layer():
    workload = workloads.load("fastmri_layernorm")
    types = workload.model_params_types
    conv = {"kernel": ParameterType.CONV_WEIGHT}
    norm = {"scale": ParameterType.LAYER_NORM_SCALE, "bias": ParameterType.LAYER_NORM_BIAS}
    block = {"Conv_0": conv, "Conv_1": conv, "LayerNorm_0": norm, "LayerNorm_1": norm}
    expected = {f"ConvBlock_{i}": block for i in range(7)}
    expected |= {f"TransposeConvBlock_{i}": {"ConvTranspose_0": conv} for i in range(3)}
    assert types == {**expected, "Conv_0": {**conv, "bias": ParameterType.BIAS}}
    assert [key for key in types if workload.is_output_params(key)] == ["Conv_0"]


# --- metric and loss --------------------------------------------------------------------------


def test_metrics_are_of_magnitudes_and_the_loss_is_of_normalised_pixels():
    workload = workloads.load("fastmri")
    workload = dataclasses.replace(workload, config=TINY)
    batch = {name: array[:8] for name, array in data.examples("validation").items()}
    params = params_of(workload.model(), batch["inputs"])
    outputs = jax.jit(workload.eval_step)(params, batch, {}, jax.random.key(0))
    logits = np.asarray(apply(TINY, params, batch["inputs"]))
    mean, std = (batch[name][:, None, None] for name in ("mean", "std"))
    magnitudes = (image * std + mean for image in (logits, batch["targets"].astype(np.float32)))
    expected = [
        structural_similarity(one, other, win_size=7, data_range=float(volume_max))
        for one, other, volume_max in zip(*magnitudes, batch["volume_max"], strict=True)
    ]
    np.testing.assert_allclose(outputs["ssim"], expected, atol=2e-5)
    metrics = workload.eval_metrics({name: np.asarray(x) for name, x in outputs.items()})
    errors = np.abs(logits - batch["targets"].astype(np.float32))
    assert metrics == {
        "ssim": pytest.approx(np.mean(expected), abs=1e-5),
        "loss": pytest.approx(errors.mean(dtype=np.float64), rel=1e-5),
    }
    assert workload.target_metric_name == "ssim" and not workload.lower_is_better


def test_loss_is_the_absolute_error_per_example():
    labels = np.array([[[1, 2], [3, 4]], [[0, 0], [0, 0]]], np.float16)
    logits = np.array([[[1, 0], [3, 3]], [[-1, 1], [2, 0]]], np.float32)
    loss_fn = workloads.load("fastmri").loss_fn
    loss = loss_fn(labels, logits, None, 0.3)  # smoothing has no meaning here
    np.testing.assert_allclose(loss["per_example"], [0.75, 1.0])
    assert loss["summed"] == 1.75 and loss["n_valid_examples"] == 2
    masked = loss_fn(labels, logits, np.array([0.0, 1.0], np.float32))
    assert masked["summed"] == 1.0 and masked["n_valid_examples"] == 1


# --- model ------------------------------------------------------------------------------------


def test_instance_norm_is_of_each_channel_of_each_example():
    x = 3 + 2 * images(0, 2, 8, 8, 3)
    by_linen = nn.LayerNorm(
        epsilon=1e-5, use_bias=False, use_scale=False, reduction_axes=(1, 2)
    ).apply({}, x)
    np.testing.assert_allclose(instance_norm(x), by_linen, atol=1e-5)


def test_only_layer_norm_sees_the_other_channels():
    x, other = images(0, 2, 8, 8, 3), images(1, 2, 8, 8, 3)
    other[0] = x[0]
    for layer_norm in (False, True):
        block = ConvBlock(4, UNetConfig(layer_norm=layer_norm))
        params = block.init(jax.random.key(0), x)["params"]
        louder = jax.tree.map(lambda leaf: leaf, params)
        kernel = params["Conv_1"]["kernel"]
        louder["Conv_1"] = {"kernel": kernel * np.array([1, 1, 1, 5], np.float32)}
        one, two, three = (
            block.apply({"params": p}, inputs)
            for p, inputs in ((params, x), (louder, x), (params, other))
        )
        np.testing.assert_allclose(one[0], three[0], rtol=1e-5)  # examples stay apart
        alike = np.allclose(one[..., :3], two[..., :3], atol=1e-4)
        assert alike != layer_norm


def test_upsampling_makes_four_pixels_of_each():
    x = np.zeros((1, 4, 4, 2), np.float32)
    x[0, 1, 2] = [1, -2]
    block = TransposeConvBlock(3, UNetConfig())
    params = block.init(jax.random.key(0), x)["params"]
    kernel = params["ConvTranspose_0"]["kernel"]
    found = nn.ConvTranspose(3, (2, 2), strides=(2, 2), use_bias=False).apply(
        {"params": {"kernel": kernel}}, x
    )
    assert set(zip(*np.nonzero(np.abs(found[0]).sum(-1) > 0), strict=True)) == {
        (2, 4),
        (2, 5),
        (3, 4),
        (3, 5),
    }
    normed = instance_norm(found)
    expected = np.where(normed > 0, normed, 0.2 * normed)
    np.testing.assert_allclose(block.apply({"params": params}, x), expected, atol=1e-5)


def test_every_image_depends_on_all_of_its_own_pixels_alone():
    config, x = UNetConfig(channels=2), images(0, 2, 32, 32)
    params = params_of(UNet(config), x)
    jacobian = jax.jit(jax.grad(lambda x: apply(config, params, x)[0, 0, 0]))(x)
    assert (np.abs(jacobian[0]) > 0).mean() > 0.99 and not np.any(jacobian[1])


@pytest.mark.parametrize("change", [{"tanh": True}, {"layer_norm": True}, {"wide": True}])
def test_variants_compute_something_else(change):
    x, config = images(0, 2, 16, 16), dataclasses.replace(TINY, **change)
    base = apply(TINY, params_of(UNet(TINY), x), x)
    other = apply(config, params_of(UNet(config), x), x)
    assert base.shape == other.shape == x.shape
    assert not np.allclose(base, other, atol=1e-2)


def test_model_size_has_more_channels_and_a_pool_less():
    widths = {
        name: workloads.load(name, "full").config.widths
        for name in ("fastmri", "fastmri_model_size")
    }
    assert widths["fastmri"] == (32, 64, 128, 256, 512)
    assert widths["fastmri_model_size"] == (64, 128, 256, 512)


@pytest.mark.parametrize("name", NUM_PARAMS)
def test_nothing_is_dropped_whatever_the_rate(name):
    assert dropout_sites(workloads.load(name, "full")) == []


@pytest.mark.parametrize("shape", [(3, 2, 4, 8), (5, 7)])
def test_kernels_start_as_linens(shape):
    found, expected = (
        jax.jit(init, static_argnums=1)(jax.random.key(3), shape)
        for init in (lecun_normal, nn.initializers.lecun_normal())
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_short_training_beats_the_zero_filled_images():
    workload, batch_size = workloads.load("fastmri"), 8
    config = dataclasses.replace(workload.config, num_pools=1)
    workload = dataclasses.replace(workload, config=config)
    optimizer, train = optax.adam(1e-2), data.examples("train")
    params = jax.tree.map(lambda leaf: 0.4 * leaf, params_of(workload.model(), train["inputs"][:1]))

    @jax.jit
    def step(params, state, batch):
        def loss(params):
            mode, key = ForwardPassMode.TRAIN, jax.random.key(0)
            logits, _ = workload.model_fn(params, batch, {}, mode, key, True)
            return workload.loss_fn(batch["targets"], logits)["summed"] / batch_size

        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for start in range(0, 80 * batch_size, batch_size):
        batch = {name: array[start : start + batch_size] for name, array in train.items()}
        params, state = step(params, state, batch)
    validation = data.examples("validation")
    outputs = jax.jit(workload.eval_step)(params, validation, {}, jax.random.key(0))
    assert 0.56 < np.mean(outputs["ssim"]) < 0.95  # zero-filled images have 0.514
