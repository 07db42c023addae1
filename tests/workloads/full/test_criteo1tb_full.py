"""Criteo's click log: hashes, lines found by their number, orders, damage."""

import concurrent.futures
import struct
import sys

import numpy as np
import pytest

from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.processed import Processed
from algoperf_lite.data.source import DataError
from tests.workloads.full import criteo1tb_files
from workloads.criteo1tb import click_rows, farmhash, full, lines

pytest.importorskip("pyarrow", reason="the click log is parsed by pyarrow")

KEYS = RowKeys(0, Stream.TRAIN, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return criteo1tb_files.write(tmp_path_factory.mktemp("root") / "criteo1tb")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("text", "column", "bucket"),  # TensorFlow's
    [
        ("68fd1e64", 0, 6_734_129),
        ("00000000", 0, 16_124_033),
        ("80e26c9b", 1, 16_854),
        ("fb936924", 25, 32),
        ("00000000", 25, 8),
    ],
)
def test_buckets_are_those_of_tensorflow(text, column, bucket):
    texts = np.frombuffer(text.encode(), "<u8")
    assert farmhash.bucket(texts, column, click_rows.VOCAB_SIZES[column]) == bucket


def _by_hand(line: str) -> list[int]:
    """A row without pyarrow and numpy's words of 64 bits."""
    label, *fields = line.split("\t")
    counts = [0 if text in ("", "-1") else int(text) for text in fields[:13]]
    ids = []
    for column, text in enumerate(fields[13:]):
        ids.append(_fingerprint((text or "00000000") + str(column)))
        ids[-1] %= click_rows.VOCAB_SIZES[column]
    return [int(label or 0), *counts, *ids]


def _fingerprint(text: str) -> int:
    mask, k = 2**64 - 1, 0x9AE16A3B2F90404F
    data = text.encode()
    (head,), (tail,) = (struct.unpack("<Q", part) for part in (data[:8], data[-8:]))
    m, a = k + 2 * len(data), (head + k) & mask

    def turned(x, bits):
        return (x >> bits | x << (64 - bits)) & mask

    c = (turned(tail, 37) * m + a) & mask
    d = (turned(a, 25) + tail) * m & mask
    u = (c ^ d) * m & mask
    v = (d ^ u ^ u >> 47) * m & mask
    return (v ^ v >> 47) * m & mask


def test_rows_are_those_of_the_text(folder):
    source = full.source(folder, "train")
    text = "".join(path.read_text() for path in source.files).splitlines()
    assert source.num_examples == len(text)
    rows = source.rows(np.arange(len(text)), KEYS)
    expected = np.array([_by_hand(line) for line in text])
    np.testing.assert_array_equal(rows["inputs"], expected[:, 1:].astype(np.float32))
    np.testing.assert_array_equal(rows["targets"], expected[:, 0])
    assert rows["inputs"].dtype == rows["targets"].dtype == np.float32


def test_splits_are_those_of_algoperf(folder):
    names = {
        split: [path.name for path in full.source(folder.parent, split).files]
        for split in ("train", "eval_train", "validation", "test")
    }
    assert names["test"] == [f"day_23_{i:02d}" for i in range(19)]
    assert names["validation"] == ["day_23_19", "day_23_20", "day_23_21"]
    assert names["train"] == names["eval_train"]
    assert len(names["train"]) == 12 * 1 + 11 * 2


def test_an_epoch_is_every_line_once_and_files_stay_whole(folder):
    source = full.source(folder, "train")
    plan = source.plan(seed=3, batch_size=7)
    steps = source.num_examples // 7
    epochs = [np.concatenate([plan.picks(t + e * steps) for t in range(steps)]) for e in (0, 1)]
    for seen in epochs:
        assert len(np.unique(seen)) == len(seen) == steps * 7
        # As many runs of neighbours as files at most: no line was shuffled.
        assert np.count_nonzero(np.diff(seen) != 1) < len(source.files)
    assert (epochs[0] != epochs[1]).any()
    np.testing.assert_array_equal(plan.picks(2), epochs[0][14:21])


def test_a_part_of_the_training_lines_is_evaluated(folder):
    source = full.ClickLog(full.source(folder, "train").files, frozenset(), eval_examples=50)
    plan = source.eval_plan(16)
    seen = np.concatenate([plan.picks(t)[plan.weights(t) > 0] for t in range(plan.num_batches)])
    assert len(np.unique(seen)) == len(seen) == 50


def test_rows_depend_neither_on_order_nor_on_threads(folder, monkeypatch):
    monkeypatch.setattr(lines, "STRIDE", 8)
    lines._index.cache_clear()
    source = full.source(folder, "validation")
    picks = np.random.default_rng(0).permutation(source.num_examples)
    whole = source.rows(np.arange(source.num_examples), KEYS)["inputs"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        parts = pool.map(lambda part: source.rows(part, KEYS)["inputs"], np.array_split(picks, 9))
        np.testing.assert_array_equal(np.concatenate(list(parts)), whole[picks])


def test_an_index_is_made_ahead(folder, monkeypatch):
    source = full.source(folder, "train")
    done = list(source.index())
    assert done == list(np.cumsum(source.counts))
    lines._index.cache_clear()

    def scanned(path, target):
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(lines, "_scan", scanned)
    source.rows(np.array([0, source.num_examples - 1]), KEYS)


def test_lines_are_found_wherever_a_chunk_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "STRIDE", 4)
    monkeypatch.setattr(lines, "_CHUNK_BYTES", 7)
    path = tmp_path / "lines"
    text = [b"x" * (i % 5) for i in range(1, 30)]
    for ending in (b"\n", b""):
        path.write_bytes(b"\n".join(text) + ending)
        assert lines.index(path).num_lines == 29
        for first in range(29):
            for last in range(first + 1, 30):
                expected = b"".join(line + b"\n" for line in text[first:last])
                assert lines.read(path, first, last) == expected
    with pytest.raises(DataError, match=r"29 lines, and line 31 was expected"):
        lines.read(path, 3, 31)


def test_processed_rows_are_the_same_and_kept(folder, tmp_path):
    source = full.source(folder, "test")
    processed = Processed(source, "criteo1tb-2-test", chunk_rows=64)
    picks = np.array([0, 700, 63, 64, 12])
    for name, values in source.rows(picks, KEYS).items():
        np.testing.assert_array_equal(processed.rows(picks, KEYS)[name], values)
    assert list(processed.index())[-1] == source.num_examples
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("inputs.npy")}
    assert len(made) == -(-source.num_examples // 64)
    again = Processed(source, "criteo1tb-2-test", chunk_rows=64)
    assert list(again.index())[-1] == source.num_examples
    assert {path: path.stat().st_mtime_ns for path in made} == made


@pytest.mark.parametrize("size", [None, 6])
def test_what_is_kept_of_training_lines_is_what_their_pass_reads(folder, size):
    source = full.source(folder, "eval_train")
    processed = Processed(source, "criteo1tb-2-eval_train", chunk_rows=64)
    if size is not None:
        source, processed = source.part(size), processed.part(size)
    plan, kept = source.eval_plan(32), processed.eval_plan(32)
    assert kept.num_batches == plan.num_batches
    for t in range(plan.num_batches):
        np.testing.assert_array_equal(kept.weights(t), plan.weights(t))
        for name, values in source.rows(plan.picks(t), KEYS).items():
            np.testing.assert_array_equal(processed.rows(kept.picks(t), KEYS)[name], values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f[:-1], r"day_23_20, line 4: 39 fields, 40 expected"),
        (lambda f: ["2", *f[1:]], r"day_23_20, line 4: label '2', 0 or 1"),
        (lambda f: [*f[:2], "x", *f[3:]], r"line 4: count 'x', a whole number"),
        (lambda f: [*f[:-1], "abc"], r"line 4: category 'abc', eight characters"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, change, message):
    folder = criteo1tb_files.write(tmp_path / "log")
    path = folder / "day_23_20"
    rows = path.read_text().splitlines()
    rows[3] = "\t".join(change(rows[3].split("\t")))
    path.write_text("\n".join(rows) + "\n")
    source = full.source(folder, "validation")
    with pytest.raises(DataError, match=message):
        source.rows(np.arange(source.num_examples), KEYS)


def test_a_file_of_another_length_is_refused(tmp_path):
    folder = criteo1tb_files.write(tmp_path / "log")
    path = folder / "day_23_20"
    path.write_text(path.read_text() + criteo1tb_files.line(np.random.default_rng(0)) + "\n")
    source = full.source(folder, "validation")
    with pytest.raises(DataError, match="day_23_20 has 41 lines where the others .* have 40"):
        source.rows(np.arange(source.num_examples), KEYS)


def test_what_is_missing_is_said_in_words(tmp_path):
    folder = criteo1tb_files.write(tmp_path / "log")
    assert full.missing(folder) == []
    (folder / "day_3_00").unlink()
    (folder / "day_23_21").unlink()
    assert full.missing(folder) == ["day_3_00"]
    for i in (19, 20):
        (folder / f"day_23_{i}").unlink()
    assert full.missing(folder) == ["day_3_00", "day_23_19"]
    with pytest.raises(DataError, match="lacks data: day_3_00; day_23_19"):
        full.source(folder, "train")
    with pytest.raises(DataError, match="there is no folder"):
        full.source(tmp_path / "nowhere", "train")


def test_a_package_that_is_not_installed_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match="criteo1tb needs the package 'pyarrow'.*pip install"):
        full.source(folder, "test").rows(np.array([0]), KEYS)
