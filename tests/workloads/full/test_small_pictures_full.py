"""mnist, fashion_mnist and cifar: the published files and TFDS's give the same examples."""

import dataclasses
import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from algoperf_lite.data import cifar as cifar_files
from algoperf_lite.data import idx
from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.source import DataError
from tests.workloads.full import file_damages, tfds_folders
from workloads.cifar import full as cifar
from workloads.fashion_mnist import full as fashion_mnist
from workloads.mnist import full as mnist
from workloads.small_pictures import full

DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
KEYS = RowKeys(0, Stream.TRAIN, 0)
SIZES = {"train": 12, "test": 5}


def pictures(shape, part):
    rng = np.random.default_rng(len(part))
    size = SIZES[part]
    return rng.integers(0, 256, (size, *shape), dtype=np.uint8), np.arange(size) % 10


def small(kind):
    """A data set of the same form, of 10 + 2 and 5 pictures."""
    return dataclasses.replace(kind, num_train=10, part_sizes=SIZES)


def write_idx(path, values):
    header = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    content = header + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_mnist(folder, suffix=".gz"):
    folder.mkdir(exist_ok=True)
    for part, start in (("train", "train"), ("test", "t10k")):
        inputs, targets = pictures((28, 28), part)
        write_idx(folder / f"{start}-images-idx3-ubyte{suffix}", inputs)
        write_idx(folder / f"{start}-labels-idx1-ubyte{suffix}", targets)


def write_cifar(folder):
    folder.mkdir(parents=True)
    for part, names in cifar_files.FILES.items():
        inputs, targets = pictures((32, 32, 3), part)
        records = [
            bytes([label]) + picture.transpose(2, 0, 1).tobytes()
            for label, picture in zip(targets, inputs, strict=True)
        ]
        for name, rows in zip(
            names, np.array_split(np.arange(len(records)), len(names)), strict=True
        ):
            (folder / name).write_bytes(b"".join(records[row] for row in rows))


def write_tfds(folder, name, shape):
    def png(picture):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "png")
        return file.getvalue()

    splits = {}
    for part in SIZES:
        examples = [
            {"image": png(x), "label": [int(y)]}
            for x, y in zip(*pictures(shape, part), strict=True)
        ]
        splits[part] = [examples[:7], examples[7:]]
    tfds_folders.write(folder / name / "3.0.1", name, splits)


def check_all(kind, folder, shape):
    """All splits hold what was written, in order."""
    inputs, targets = pictures(shape, "train")
    test_inputs, test_targets = pictures(shape, "test")
    expected = {
        "train": (inputs[:10], targets[:10]),
        "validation": (inputs[10:], targets[10:]),
        "test": (test_inputs, test_targets),
    }
    for split, (x, y) in expected.items():
        source = kind.source(folder, split)
        rows = source.rows(np.arange(source.num_examples), KEYS)
        assert rows["inputs"].dtype == np.uint8 and rows["targets"].dtype == np.int32
        np.testing.assert_array_equal(rows["inputs"], x.reshape(*x.shape[:3], -1))
        np.testing.assert_array_equal(rows["targets"], y)
    assert kind.missing(folder) == []


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_is_read_from_its_published_files(tmp_path, suffix):
    write_mnist(tmp_path / "MNIST", suffix)
    for folder in (tmp_path, tmp_path / "MNIST"):
        check_all(small(full.MNIST), folder, (28, 28))


@pytest.mark.parametrize("where", ["", "cifar10", "cifar10/cifar-10-batches-bin"])
def test_cifar_is_read_from_its_binary_version(tmp_path, where):
    write_cifar(tmp_path / where / "x" if not where else tmp_path / where)
    check_all(small(full.CIFAR10), tmp_path / "x" if not where else tmp_path, (32, 32, 3))


@pytest.mark.parametrize(
    ("kind", "shape"), [(full.MNIST, (28, 28)), (full.CIFAR10, (32, 32, 3))], ids=["mnist", "cifar"]
)
def test_tfds_folders_hold_the_same(tmp_path, kind, shape):
    pytest.importorskip("google_crc32c")
    write_tfds(tmp_path, kind.name, shape)
    check_all(small(kind), tmp_path, shape)


def test_real_splits_have_algoperfs_sizes():
    assert full.MNIST.num_train == 50_000 and full.CIFAR10.num_train == 45_000


@pytest.mark.slow
@pytest.mark.skipif(not DEBIAN.is_dir(), reason=f"{DEBIAN}: dataset-fashion-mnist not installed")
def test_fashion_mnist_as_debian_ships_it():
    assert fashion_mnist.missing(DEBIAN) == []
    for split, size in (("train", 50_000), ("validation", 10_000), ("test", 10_000)):
        source = fashion_mnist.source(DEBIAN, split)
        rows = source.rows(np.arange(size), KEYS)
        assert source.num_examples == size
        assert rows["inputs"].shape == (size, 28, 28, 1)
        # Every class has a tenth of the pictures, within chance where the split is ours.
        np.testing.assert_allclose(np.bincount(rows["targets"]), size / 10, rtol=0.1)


def test_what_is_missing_is_said_in_words(tmp_path):
    for family in (mnist, fashion_mnist, cifar):
        (words,) = family.missing(tmp_path)
        assert "of tensorflow-datasets" in words and str(tmp_path) in words
        with pytest.raises(DataError, match="in no form that is read"):
            family.source(tmp_path, "train")
    with pytest.raises(DataError, match="splits train, .*test, and not 'eval'"):
        mnist.source(tmp_path, "eval")
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    assert "t10k-labels-idx1-ubyte in" in mnist.missing(tmp_path)[0]
    with pytest.raises(DataError, match="has 12 pictures, and 60000 were expected"):
        mnist.source(tmp_path, "train")


def test_damaged_idx_files_are_named(tmp_path):
    write_mnist(tmp_path, "")
    path = tmp_path / "train-labels-idx1-ubyte"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=f"{path} holds 19 bytes, and its shape .12,. needs 20"):
        idx.read(path)
    path.write_bytes(b"\x00\x00\x0d" + whole[3:])
    with pytest.raises(DataError, match="begins with 00000d01, and an IDX file"):
        idx.read(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="begins with nothing"):
        idx.read(path)
    write_idx(path, np.zeros(11))
    with pytest.raises(DataError, match="hold arrays .12, 28, 28. and .11,."):
        small(full.MNIST).source(tmp_path, "train")
    zipped = tmp_path / "train-labels-idx1-ubyte.gz"
    zipped.write_bytes(gzip.compress(whole)[:-9])
    with pytest.raises(DataError, match=f"{zipped} is damaged"):
        idx.read(zipped)


def test_damaged_cifar_files_are_named(tmp_path):
    write_cifar(tmp_path / "x")
    path = tmp_path / "x" / "data_batch_1.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=f"{path} holds 9218 bytes, which is no whole number"):
        small(full.CIFAR10).source(tmp_path / "x", "train")
    path.write_bytes(whole[:3073] + b"\x0a" + whole[3074:])
    with pytest.raises(DataError, match=f"record 1 of {path} has the label 10"):
        small(full.CIFAR10).source(tmp_path / "x", "train")


def test_records_that_are_no_pictures_are_named(tmp_path):
    pytest.importorskip("google_crc32c")
    example = {"image": b"no picture", "label": [0]}
    tfds_folders.write(tmp_path, "mnist", {"train": [[example]], "test": [[example]]})
    with pytest.raises(DataError, match="record 0 of .*00000-of-00001 holds no picture"):
        mnist.source(tmp_path, "train")
    # The description promises one more record than there is.
    tfds_folders.write_split(tmp_path, "mnist", "test", [[]])
    with pytest.raises(DataError, match="00000-of-00001 holds 0 records and"):
        mnist.source(tmp_path, "test")


def test_checks_read_each_file_in_every_form(tmp_path):
    pytest.importorskip("google_crc32c")
    write_mnist(tmp_path / "MNIST")
    write_cifar(tmp_path / "cifar10")
    write_tfds(tmp_path / "tfds", "mnist", (28, 28))
    assert file_damages.found(mnist, tmp_path, "train") == []
    assert file_damages.found(cifar, tmp_path, "train") == []
    assert file_damages.found(mnist, tmp_path / "tfds", "test") == []
    damaged = [
        tmp_path / "MNIST" / "train-labels-idx1-ubyte.gz",
        tmp_path / "cifar10" / "data_batch_3.bin",
        next((tmp_path / "tfds").rglob("*train*00001-of-00002")),
    ]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-1])
    places = (mnist, tmp_path), (cifar, tmp_path), (mnist, tmp_path / "tfds")
    for path, (family, folder) in zip(damaged, places, strict=True):
        (words,) = file_damages.found(family, folder, "validation")
        assert words.startswith(str(path))
    assert mnist.NUM_EXAMPLES == {"train": 50_000, "validation": 10_000, "test": 10_000}
    assert cifar.NUM_EXAMPLES["validation"] == 5_000
