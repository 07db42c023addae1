"""ArrayRecord files of anybody's own as a source: rows by number, with numbers of their own."""

import numpy as np
import pytest

from algoperf_lite.data import array_record
from algoperf_lite.data.feed import Feed, Order
from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.source import DataError

module = pytest.importorskip("array_record.python.array_record_module")


def write(path, rows):
    """One record for each row: its numbers as float32."""
    writer = module.ArrayRecordWriter(str(path), "group_size:1")
    for row in rows:
        writer.write(np.asarray(row, np.float32).tobytes())
    writer.close()
    return path


def point(record, rng):
    x, label = np.frombuffer(record, np.float32)
    return {"inputs": x + rng.random(dtype=np.float32), "targets": np.int32(label)}


@pytest.fixture
def source(tmp_path):
    numbers = [range(3), range(3, 8)]
    paths = [
        write(tmp_path / f"{i}.array_record", [(10 * n, n) for n in own])
        for i, own in enumerate(numbers)
    ]
    return array_record.Examples(tuple(paths), point)


def test_records_of_several_files_are_rows_of_one_source(source):
    assert source.num_examples == 8
    keys = RowKeys(0, Stream.TRAIN, step=5)
    rows = source.rows(np.array([7, 0, 3]), keys)
    assert rows["targets"].tolist() == [7, 0, 3] and rows["targets"].dtype == np.int32
    # A row's random numbers are its own: the same where it is read alone.
    alone = source.rows(np.array([3]), keys.from_row(2))
    assert alone["inputs"][0] == rows["inputs"][2] and 30 < alone["inputs"][0] < 31


def test_a_feed_gives_the_same_batches_with_any_number_of_workers(source):
    order = Order(source.plan(seed=1, batch_size=4), seed=1)
    found = []
    for num_workers in (0, 3):
        with Feed(source, order, num_workers) as feed:
            found.append([feed.get(t) for t in (0, 1, 2)])
    for one, other in zip(*found, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)
    assert sorted(np.concatenate([b["targets"] for b in found[0][:2]])) == list(range(8))


def test_other_content_is_another_fingerprint(source, tmp_path):
    before = source.fingerprint()
    write(tmp_path / "0.array_record", [(0, 0), (10, 1), (20, 9)])
    assert source.fingerprint() != before


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match="no.array_record: it is missing"):
        _ = array_record.Examples((tmp_path / "no.array_record",), point).num_examples
