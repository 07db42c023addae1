"""The drawn pictures of the ImageNet workloads, and the random changes made to them."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from PIL import Image, ImageEnhance, ImageOps
from sklearn.linear_model import RidgeClassifier

from workloads.imagenet_pictures import augmentation, data

# Of another process; the targets of the benchmark were set on these bytes.
DATA_SHA256 = "0085b83be465e8182c73bcc003ab09dc3b26e13af90e947523a39b183b64480f"
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def pictures():
    return data.examples("validation")["inputs"][:64]


# --- data -------------------------------------------------------------------------------------


def test_data_are_the_same_bytes_in_every_process():
    digest = hashlib.sha256()
    for split in data.SPLIT_BLOCKS:
        for array in data.examples(split).values():
            digest.update(array.tobytes())
    assert digest.hexdigest() == DATA_SHA256


def test_no_picture_occurs_twice_in_any_split():
    pictures = [
        picture.tobytes() for s in data.SPLIT_BLOCKS for picture in data.examples(s)["inputs"]
    ]
    assert len(pictures) > 40_000
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize("split", data.SPLIT_BLOCKS)
def test_classes_are_balanced(split):
    examples = data.examples(split)
    counts = np.bincount(examples["targets"], minlength=data.NUM_CLASSES)
    assert len(counts) == 16 and set(counts) == {len(examples["inputs"]) // 16}
    assert examples["inputs"].dtype == np.uint8 and examples["inputs"].shape[1:] == (16, 16, 3)
    assert not (examples["targets"][:16] == np.sort(examples["targets"][:16])).all()


def test_a_class_is_a_shape_with_a_texture():
    names = [data.class_name(label) for label in range(data.NUM_CLASSES)]
    assert len(set(names)) == 16
    assert names[0] == "plain disc" and names[5] == "striped square"
    examples = data.examples("train")
    grey = examples["inputs"].mean(axis=-1)
    texture_of, shape_of = np.array([name.split() for name in names])[examples["targets"]].T

    # Neighbouring pixels in the middle of an object differ more where it is textured.
    middle = grey[:, 5:11, 5:11]
    roughness = (np.diff(middle, axis=1) ** 2).mean((1, 2)) + (np.diff(middle, axis=2) ** 2).mean(
        (1, 2)
    )
    rough = {texture: roughness[texture_of == texture].mean() for texture in data.TEXTURES}
    assert rough["plain"] < rough["rimmed"] < rough["striped"]
    assert rough["checked"] > 2 * rough["plain"]

    # Plain objects are brighter than the ground, so the shape's mean picture shows it.
    plain = texture_of == "plain"
    mean = {s: grey[plain & (shape_of == s)].mean(axis=0) for s in data.SHAPES}
    corner, side = (lambda x: x[3, 3] / x[8, 8]), (lambda x: x[8, 2] / x[8, 8])
    assert corner(mean["square"]) > corner(mean["disc"]) > corner(mean["cross"])
    assert side(mean["cross"]) > side(mean["triangle"])


def test_neither_a_linear_model_nor_colour_tells_the_classes():
    train, validation = data.examples("train"), data.examples("validation")

    def accuracy(features):
        model = RidgeClassifier(alpha=100.0)
        model.fit(features(train["inputs"][:8000]), train["targets"][:8000])
        return model.score(features(validation["inputs"]), validation["targets"])

    assert accuracy(lambda x: x.mean(axis=(1, 2))) < 0.2
    assert accuracy(lambda x: x.reshape(len(x), -1).astype(np.float32)) < 0.35


# --- geometry ---------------------------------------------------------------------------------


def identity(num_pictures: int) -> jax.Array:
    return jnp.tile(jnp.eye(3), (num_pictures, 1, 1))


def test_resampling_by_hand(pictures):
    same = identity(len(pictures))
    mirrored = same.at[:, 0, 0].set(-1)
    right = same.at[:, 0, 2].set(3 * 2 / 16)  # three pixels, in half widths
    transposed = same[:, jnp.array([1, 0, 2])]
    np.testing.assert_array_equal(augmentation.resample(pictures, same), pictures)
    np.testing.assert_array_equal(augmentation.resample(pictures, mirrored), pictures[:, :, ::-1])
    np.testing.assert_array_equal(
        augmentation.resample(pictures, transposed), pictures.swapaxes(1, 2)
    )
    shifted = augmentation.resample(pictures, right)
    np.testing.assert_array_equal(shifted[:, :, :13], pictures[:, :, 3:])
    np.testing.assert_array_equal(shifted[:, :, 13:], pictures[:, :, 15:].repeat(3, axis=2))


def test_pictures_need_not_be_square():
    wide = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(1, 2, 5, 3)
    mirrored = identity(1).at[:, 0, 0].set(-1)
    np.testing.assert_array_equal(augmentation.resample(wide, mirrored), wide[:, :, ::-1])


def test_crops_and_flips_differ_between_pictures():
    maps = np.asarray(augmentation.crop_and_flip(KEY, 1000))
    assert 400 < (maps[:, 0, 0] == -1).sum() < 600 and set(maps[:, 0, 0]) == {-1, 1}
    for axis in (0, 1):
        shifts = maps[:, axis, 2] * 8  # pixels of a picture of 16
        assert -1 <= shifts.min() < -0.9 and 0.9 < shifts.max() <= 1
    np.testing.assert_array_equal(maps[:, 1, :2], [[0, 1]] * 1000)


@pytest.mark.parametrize("name", augmentation.GEOMETRIC)
def test_geometric_operations_start_at_the_identity(name):
    maps = augmentation.GEOMETRIC[name](jnp.array([0.0, 1.0, -1.0]))
    np.testing.assert_allclose(maps[0], np.eye(3), atol=1e-7)
    np.testing.assert_allclose(maps[1] @ maps[2], np.eye(3), atol=0.05)  # there and back
    assert np.abs(maps[1] - maps[0]).max() > 0.1


# --- colour -----------------------------------------------------------------------------------

STRENGTH = 0.7
PIL_OPERATIONS = {
    "brightness": lambda image: ImageEnhance.Brightness(image).enhance(1 + 0.5 * STRENGTH),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1 + 0.5 * STRENGTH),
    "colour": lambda image: ImageEnhance.Color(image).enhance(1 + 0.5 * STRENGTH),
    "posterise": lambda image: ImageOps.posterize(image, 2),
    "solarise": lambda image: ImageOps.solarize(image, 192),
}


@pytest.mark.parametrize("name", augmentation.COLOUR)
def test_colour_operations_are_those_of_pil(name, pictures):
    bright = np.minimum(pictures.astype(int) * 2, 255).astype(np.uint8)  # reaches every threshold
    strengths = jnp.full((len(pictures), 1, 1, 1), STRENGTH)
    got = augmentation.COLOUR[name](jnp.asarray(bright, jnp.float32), strengths)
    expected = np.stack([PIL_OPERATIONS[name](Image.fromarray(picture)) for picture in bright])
    assert np.abs(expected.astype(int) - bright).max() > 20
    np.testing.assert_allclose(got, expected.astype(np.float32), atol=2)  # PIL rounds as it goes


def test_each_picture_gets_the_operations_it_chose(pictures):
    pixels = jnp.asarray(pictures[:3], jnp.float32)
    names = [*augmentation.GEOMETRIC, *augmentation.COLOUR]
    pairs = [("solarise", "brightness"), ("shift x", "colour"), ("rotate", "shear y")]
    choices = jnp.array([[names.index(name) for name in pair] for pair in pairs]).T
    strengths = jnp.full(choices.shape, 0.9)
    one = jnp.full((1, 1, 1, 1), 0.9)

    got = augmentation.random_colours(pixels, choices, strengths)
    colour = augmentation.COLOUR
    first = colour["brightness"](colour["solarise"](pixels[:1], one), one)
    np.testing.assert_allclose(got[:1], first, rtol=1e-5)
    np.testing.assert_allclose(got[1:2], colour["colour"](pixels[1:2], one), rtol=1e-5)
    np.testing.assert_array_equal(got[2], pixels[2])

    maps = augmentation.random_geometry(choices, strengths)
    turns = [augmentation.GEOMETRIC[name](one[0, 0, 0])[0] for name in ("rotate", "shear y")]
    np.testing.assert_array_equal(maps[0], np.eye(3))
    np.testing.assert_allclose(maps[1], augmentation.GEOMETRIC["shift x"](one[0, 0, 0])[0])
    np.testing.assert_allclose(maps[2], turns[0] @ turns[1], rtol=1e-5)


def test_rand_augment_is_random_stays_in_range_and_vmaps(pictures):
    augment = jax.jit(augmentation.rand_augment)
    one, again, other = (augment(pictures, jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (np.asarray(one) != other).any(axis=(1, 2, 3)).mean() > 0.95
    assert one.dtype == jnp.float32 and one.min() >= 0 and one.max() <= 255
    keys = jnp.stack([jax.random.key(0), jax.random.key(1)])
    both = jax.vmap(augmentation.rand_augment, (None, 0))(pictures, keys)
    np.testing.assert_allclose(both, np.stack([one, other]), atol=1e-3)


# --- mixup ------------------------------------------------------------------------------------


def test_mixup_weights_are_beta_distributed():
    draw = jax.vmap(lambda key: augmentation.beta_sample(key, 0.2))
    samples = np.asarray(draw(jax.random.split(KEY, 4000)))
    assert scipy.stats.kstest(samples, scipy.stats.beta(0.2, 0.2).cdf).pvalue > 0.01


def test_quantiles_are_interpolated_as_numpy_does():
    keys = jax.random.split(KEY, 500)
    found = jax.vmap(lambda key: augmentation.beta_sample(key, 0.2))(keys)
    levels = np.linspace(0, 1, 1025)
    at = jax.vmap(jax.random.uniform)(keys)
    expected = np.interp(at, levels, scipy.stats.beta.ppf(levels, 0.2, 0.2))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_mixup_mixes_pictures_and_labels_alike(pictures):
    labels = jax.nn.one_hot(np.arange(64) % 16, 16)
    pixels = jnp.asarray(pictures, jnp.float32)
    seeds = jax.random.split(KEY, 20)
    mixed = [augmentation.mixup(pixels, labels, key) for key in seeds]
    weights = [float(targets[1, 1]) for _, targets in mixed]
    assert min(weights) < 0.2 and max(weights) > 0.8
    for (inputs, targets), weight in zip(mixed, weights, strict=True):
        np.testing.assert_allclose(targets.sum(axis=-1), 1, rtol=1e-6)
        np.testing.assert_allclose(targets[1, 0], 1 - weight, atol=1e-6)
        expected = weight * pixels[1] + (1 - weight) * pixels[0]
        np.testing.assert_allclose(inputs[1], expected, rtol=1e-4, atol=1e-3)
