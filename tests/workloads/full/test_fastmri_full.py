"""fastMRI's knees: masks, reconstruction, splits, damage."""

import concurrent.futures

import numpy as np
import pytest

from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.processed import Processed
from algoperf_lite.data.source import DataError
from workloads.fastmri import full, masks, reconstruction

h5py = pytest.importorskip("h5py", reason="volumes are HDF5 files")

from tests.workloads.full import fastmri_files  # noqa: E402 (it needs h5py)

KEYS = RowKeys(11, Stream.TRAIN, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fastmri_files.write(tmp_path_factory.mktemp("root") / "fastmri")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_philox_is_that_of_its_paper():
    # The known answers that come with Random123, for counters and keys of zeros and of ones.
    for word, answer in (
        (0, ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]),
        (2**32 - 1, ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]),
    ):
        found = masks.philox(np.full((1, 4), word, np.uint64), (word, word))[0]
        assert [f"{int(part):08x}" for part in found] == answer


def test_random_numbers_are_those_of_tensorflow():
    found = masks.uniform((0, 0), 10)
    np.testing.assert_allclose(found[:4], [0.2110155, 0.70601, 0.8000634, 0.7707922], atol=1e-7)
    np.testing.assert_array_equal(found[:7], masks.uniform((0, 0), 7))


@pytest.mark.parametrize(
    ("width", "columns", "central", "pad"),  # TensorFlow's
    [
        (320, 80, 25, 148),
        (332, 86, 26, 153),
        (368, 97, 29, 170),
        (372, 97, 29, 172),
        (386, 100, 30, 178),
        (388, 102, 31, 179),
        (396, 107, 31, 183),
        (400, 108, 32, 184),
        (640, 163, 51, 295),
    ],
)
def test_evaluation_masks_are_those_of_algoperf(width, columns, central, pad):
    mask = masks.columns(masks.EVALUATION_SEED, width)
    assert mask.sum() == columns
    assert mask[pad : pad + central].all()


@pytest.mark.parametrize("width", [368, 371])
def test_a_reconstruction_is_the_whole_transform_cropped(width):
    rng = np.random.default_rng(0)
    kspace = rng.standard_normal((640, width)) + 1j * rng.standard_normal((640, width))
    mask = masks.columns((1, 2), width)
    shifted = np.fft.ifftshift(np.where(mask, kspace, 0))
    whole = np.abs(np.fft.fftshift(np.fft.ifft2(shifted) * np.sqrt(640 * width)))
    left = (width - 320) // 2
    found = reconstruction.zero_filled(kspace.astype(np.complex64), mask, 320)
    np.testing.assert_allclose(found, whole[160:480, left : left + 320], atol=1e-5)


def test_examples_are_normalised_by_their_input(folder):
    source = full.source(folder, "test")
    rows = source.rows(np.arange(source.num_examples), KEYS)
    path = sorted((folder / "knee_singlecoil_val").iterdir())[101]
    with h5py.File(path) as file:
        kspace, image = file["kspace"][1], file["reconstruction_esc"][1]
        maximum = file.attrs.get("max", 0.0)
    mask = masks.columns((0, 0), kspace.shape[-1])
    picture = reconstruction.zero_filled(kspace, mask, 320)
    mean, std = picture.mean(), picture.std()
    row = 2 + 1  # the 101st file has two slices
    np.testing.assert_allclose(rows["mean"][row], mean, rtol=1e-5)
    np.testing.assert_allclose(rows["std"][row], std, rtol=1e-5)
    for name, wanted in (("inputs", picture), ("targets", image)):
        expected = ((wanted - mean) / std).clip(-6, 6)
        np.testing.assert_allclose(rows[name][row], expected, atol=0.0025)
        assert rows[name].dtype == np.float16
    assert rows["volume_max"][row] == np.float32(maximum)


def test_splits_are_those_of_algoperf(folder):
    sizes = {split: full.source(folder.parent, split) for split in ("train", "validation", "test")}
    assert [len(source.files) for source in sizes.values()] == [3, 100, 2]
    assert [source.num_examples for source in sizes.values()] == [6, 199, 2 + 3]


def test_a_training_mask_belongs_to_trial_and_slice(folder):
    source = full.source(folder, "train")

    def inputs(keys):
        return source.rows(np.array([3, 1]), keys)["inputs"]

    later = RowKeys(11, Stream.TRAIN, step=9, first_row=4)
    np.testing.assert_array_equal(inputs(KEYS), inputs(later))
    assert (inputs(KEYS) != inputs(RowKeys(12, Stream.TRAIN, 0))).any()
    assert (masks.columns((11, 0), 368) != masks.columns((11, 1), 368)).any()


def test_rows_depend_neither_on_order_nor_on_threads(folder):
    source = full.source(folder, "train")
    whole = source.rows(np.arange(6), KEYS)
    picks = np.array([5, 0, 3, 4, 1, 2])
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(lambda part: source.rows(part, KEYS), np.array_split(picks, 3)))
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values[picks])


def test_processed_slices_are_the_same(folder):
    source = full.source(folder, "train")
    processed = Processed(source, "fastmri-1-train", chunk_rows=4, seed=KEYS.seed)
    for name, values in source.rows(np.arange(6), KEYS).items():
        np.testing.assert_array_equal(processed.rows(np.arange(6), KEYS)[name], values)


def test_damage_is_named(tmp_path):
    folder = fastmri_files.write(tmp_path / "knees", train=2)
    path = folder / "knee_singlecoil_train" / "file1000001.h5"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cannot read .*file1000001.h5 as HDF5"):
        _ = full.source(folder, "train").num_examples
    path.write_bytes(whole)
    source = full.source(folder, "train")
    middle = whole.find(b"x", len(whole) // 2)  # somewhere in the compressed pictures
    path.write_bytes(whole[:middle] + bytes(2000) + whole[middle + 2000 :])
    assert source.num_examples == 3
    with pytest.raises(DataError, match=r"file1000001.h5"):
        source.rows(np.arange(3), KEYS)
    with h5py.File(path, "w") as file:
        file["kspace"] = np.zeros((1, 640, 368), np.complex64)
    with pytest.raises(DataError, match=r"has no 'reconstruction_esc' but kspace"):
        _ = full.source(folder, "train").num_examples


def test_what_is_missing_is_said_in_words(tmp_path, folder):
    assert full.missing(folder) == []
    fastmri_files.write(tmp_path / "knees", train=0, evaluated=1)
    with pytest.raises(DataError, match=r"knee_singlecoil_train.*199 volumes, 1 are there"):
        full.source(tmp_path / "knees", "train")
