"""ImageNet's pictures: decoding, crops, resizing, both layouts on the disk, damage."""

import concurrent.futures
import io

import jax
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from algoperf_lite.data import tfrecord
from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.processed import Processed
from algoperf_lite.data.source import DataError
from tests.workloads.full import file_damages, imagenet_files, tfds_folders
from workloads.imagenet_pictures import bicubic, crops, jpeg, transforms
from workloads.imagenet_resnet import full as resnet
from workloads.imagenet_resnet import workload as resnet_workload
from workloads.imagenet_vit import full as vit
from workloads.imagenet_vit import workload as vit_workload

pytest.importorskip("simplejpeg", reason="pictures are decoded by simplejpeg")
pytest.importorskip("google_crc32c", reason="records are checked by google-crc32c")

KEYS = RowKeys(4, Stream.TRAIN, 2)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return imagenet_files.write_tfds(tmp_path_factory.mktemp("root") / "imagenet" / "jax")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("size", [(427, 640), (300, 200), (150, 130)])
def test_resizing_is_by_the_kernel_of_keys_to_the_steps_of_a_table(size, monkeypatch):
    # JAX's kernel is the same without TensorFlow's table of 1,024 steps, which by itself
    # changes pixels by up to a tenth of a grey level; on the whole photograph by 0.08.
    picture = load_sample_image("china.jpg")[: size[0], : size[1]]
    whole = picture.astype(np.float32)
    expected = jax.image.resize(whole, (224, 224, 3), "cubic", antialias=False)
    found = bicubic.resize(picture, 224)
    assert 0.05 < np.abs(found - expected).max() < 0.15
    assert found.min() < -1  # it overshoots
    monkeypatch.setattr(bicubic, "_TABLE", 2**23)
    bicubic._taps.cache_clear()
    exact = bicubic.resize(picture, 224)
    bicubic._taps.cache_clear()
    assert np.abs(exact - expected).max() < 0.01


def test_resizing_keeps_what_need_not_change():
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    np.testing.assert_array_equal(bicubic.resize(picture, 224), picture)
    constant = np.full((31, 57, 3), 200, np.uint8)
    np.testing.assert_allclose(bicubic.resize(constant, 224), 200, rtol=1e-5)


def test_random_crops_have_the_distribution_of_tensorflow():
    rng = np.random.default_rng(0)
    found = [crops.random(375, 500, rng) for _ in range(10_000)]
    areas = np.array([crop.height * crop.width for crop in found]) / (375 * 500)
    # TensorFlow's, of as many draws.
    assert 0.1 <= areas.min() < 0.102
    quantiles = np.quantile(areas, [0.1, 0.25, 0.5, 0.75, 0.9])
    np.testing.assert_allclose(quantiles, [0.136, 0.21, 0.354, 0.54, 0.69], atol=0.012)
    np.testing.assert_allclose(areas.mean(), 0.388, atol=0.01)
    for crop in found:
        assert 0 <= crop.top <= 375 - crop.height
        assert 0 <= crop.left <= 500 - crop.width
        assert 0.74 < crop.width / crop.height < 1.36


def test_where_no_crop_fits_the_centre_is_taken():
    rng = np.random.default_rng(0)
    assert {crops.random(20, 2000, rng) for _ in range(20)} == {crops.centre(20, 2000)}
    assert crops.centre(375, 500) == crops.Crop(24, 86, 328, 328)
    assert crops.centre(500, 375) == crops.Crop(86, 24, 328, 328)


def test_decoding_is_by_the_fast_transform():
    content = io.BytesIO()
    Image.fromarray(load_sample_image("flower.jpg")).save(content, "jpeg")
    found = jpeg.decode(content.getvalue(), "here").astype(int)
    accurate = np.array(Image.open(content)).astype(int)
    assert found.shape == accurate.shape
    assert 0 < np.abs(found - accurate).mean() < 1.5  # TensorFlow's is as far from Pillow's


def test_grey_pictures_have_three_equal_channels():
    data = imagenet_files.jpeg(np.random.default_rng(0), 40, 50, "L")
    picture = jpeg.decode(data, "here")
    assert picture.shape == (40, 50, 3)
    assert (picture == picture[..., :1]).all()


def test_both_layouts_give_the_same_pictures(root, tmp_path):
    unpacked = imagenet_files.write_class_folders(tmp_path / "pytorch")
    for split, labels in imagenet_files.LABELS.items():
        ours = (
            resnet.source(folder, "eval_train" if split == "train" else split)
            for folder in (root, unpacked)
        )
        prepared, folders = (s.rows(np.arange(len(labels)), KEYS) for s in ours)
        np.testing.assert_array_equal(prepared["targets"], labels)
        np.testing.assert_array_equal(folders["targets"], np.sort(labels))
        # Folders are sorted by class, where records are not; two of one class stay in order.
        order = np.argsort(labels, kind="stable")
        np.testing.assert_array_equal(folders["inputs"], prepared["inputs"][order])
        assert prepared["inputs"].shape == (len(labels), 224, 224, 3)
        assert prepared["inputs"].dtype == np.uint8


def test_array_record_files_give_the_same_pictures(root, tmp_path):
    module = pytest.importorskip("array_record.python.array_record_module")
    folder = tmp_path / "imagenet2012" / "5.1.0"
    source = resnet.source(root, "validation")
    shards = source.pictures.shards
    counts = {"validation": list(shards.counts)}
    tfds_folders.write_info(folder, "imagenet2012", counts, file_format="array_record")
    for path in shards.paths:
        name = path.name.replace("tfrecord", "array_record")
        writer = module.ArrayRecordWriter(str(folder / name), "group_size:1")
        for record in tfrecord.read_through(path):
            writer.write(record)
        writer.close()
    again = resnet.source(tmp_path, "validation")
    assert again.pictures.shards.file_format == "array_record"
    picks = np.array([4, 0, 2, 1, 3])
    for name, values in source.rows(picks, KEYS).items():
        np.testing.assert_array_equal(again.rows(picks, KEYS)[name], values)


def test_the_data_set_is_found_from_its_root(root):
    assert resnet.missing(root) == vit.missing(root.parent.parent) == []
    assert vit.source(root.parent.parent, "train").num_examples == 6
    assert vit.source(root, "validation").fingerprint() != vit.source(root, "test").fingerprint()


@pytest.mark.parametrize("family", [resnet, vit])
def test_a_row_depends_on_its_place_alone(root, family):
    source = family.source(root, "train")
    picks = np.array([3, 0, 5, 5, 1, 2, 4])
    whole = source.rows(picks, KEYS)["inputs"]
    assert (whole[2] != whole[3]).any()  # the same picture in two places
    cuts = [0, 2, 3, 7]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        parts = pool.map(
            lambda at: source.rows(picks[at[0] : at[1]], KEYS.from_row(at[0]))["inputs"],
            list(zip(cuts, cuts[1:], strict=False)),
        )
        np.testing.assert_array_equal(np.concatenate(list(parts)), whole)
    later = RowKeys(4, Stream.TRAIN, 3)
    assert (source.rows(picks, later)["inputs"] != whole).any(axis=(1, 2, 3)).all()


def test_what_is_evaluated_does_not_change_and_can_be_kept(root):
    source = vit.source(root, "validation")
    later = RowKeys(9, Stream.EVAL, 77)
    picks = np.arange(5)
    first = source.rows(picks, KEYS)["inputs"]
    np.testing.assert_array_equal(source.rows(picks, later)["inputs"], first)
    kept = Processed(source, "imagenet-1-validation", chunk_rows=2)
    np.testing.assert_array_equal(kept.rows(picks, later)["inputs"], first)


def test_half_of_the_pictures_are_mirrored():
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None], (200, 200, 3))
    found = [transforms.random_crop(ramp, np.random.default_rng(seed)) for seed in range(200)]
    mirrored = sum(int(x[0, 0, 0]) > int(x[0, -1, 0]) for x in found)
    assert 70 < mirrored < 130


def test_the_device_adds_mixup_and_nothing_else(root):
    key = jax.random.key(0)
    rows = {
        family: family.source(root, "train").rows(np.arange(4), KEYS) for family in (resnet, vit)
    }
    assert resnet_workload.SCALES["full"].augment(rows[resnet], key) is rows[resnet]
    mixed = vit_workload.SCALES["full"].augment(rows[vit], key)
    weights = np.asarray(mixed["targets"])[np.arange(4), rows[vit]["targets"]]
    weight = weights[1]  # of a picture and the one before it, which are of other classes
    pixels = rows[vit]["inputs"].astype(np.float32)
    expected = weight * pixels + (1 - weight) * np.roll(pixels, 1, axis=0)
    np.testing.assert_allclose(mixed["inputs"], expected, atol=1e-3)


def test_damage_is_named(tmp_path):
    cut = imagenet_files.jpeg(np.random.default_rng(0), 80, 90)[:-400]
    whole = imagenet_files.jpeg(np.random.default_rng(0), 80, 90)
    for image, label, message in (
        (cut, 1, "is no whole JPEG picture"),
        (b"GIF89a", 1, "is no whole JPEG picture"),
        (whole, 1000, "label 1000, 0 to 999"),
    ):
        folder = tmp_path / f"{len(image)}-{label}"
        splits = {"validation": [[{"image": image, "label": [label]}]]}
        tfds_folders.write(folder, "imagenet2012", splits)
        with pytest.raises(DataError, match=rf"record 0 of .*imagenet2012-validation.*{message}"):
            resnet.source(folder, "validation").rows(np.array([0]), KEYS)


def test_what_is_missing_is_said_in_words(root, tmp_path):
    folder = imagenet_files.write_tfds(tmp_path / "jax")
    next(folder.rglob("imagenet2012-train.tfrecord-00001*")).unlink()
    (found,) = resnet.missing(folder)
    assert found.startswith("train: 1 of 2 files")
    with pytest.raises(DataError, match="1 of 2 files"):
        resnet.source(folder, "train")
    assert resnet.source(folder, "validation").num_examples == 5
    with pytest.raises(DataError, match="there is no folder"):
        resnet.source(tmp_path / "nowhere", "train")


def test_checks_decode_pictures_in_folders(tmp_path):
    folder = imagenet_files.write_class_folders(tmp_path / "imagenet" / "pytorch")
    assert file_damages.found(resnet, tmp_path, "validation") == []
    path = sorted((folder / "val").rglob("*.JPEG"))[2]
    path.write_bytes(path.read_bytes()[:200])
    (words,) = file_damages.found(resnet, tmp_path, "validation")
    assert words.startswith(f"{path} is no whole JPEG picture")
