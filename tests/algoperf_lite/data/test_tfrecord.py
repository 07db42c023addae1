"""TFRecord files: each record found by its number, damage named by file and byte."""

import concurrent.futures
import os

import numpy as np
import pytest

from algoperf_lite.data import example, tfds, tfrecord
from algoperf_lite.data.source import DataError
from tests.workloads.full import tfds_folders

pytest.importorskip("google_crc32c")

DATA = [b"", b"one", bytes(range(256)) * 20, b"last"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "some.tfrecord-00000-of-00001"
    path.write_bytes(b"".join(map(tfds_folders.frame, DATA)))
    return path


def test_check_sums_are_those_of_the_published_vectors():
    # RFC 3720, B.4: 32 bytes of zeros, ones, and an incrementing pattern.
    vectors = {bytes(32): 0x8A9136AA, b"\xff" * 32: 0x62A8AB43, bytes(range(32)): 0x46DD794E}
    for data, crc in vectors.items():
        assert tfds_folders.crc32c(data) == crc
        masked = ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32
        assert tfrecord.check_sum(data) == masked


def test_records_are_found_by_number_in_any_order(path, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(tfds_folders.frame(b"of another file"))
    empty = tmp_path / "empty"
    empty.touch()
    found = tfrecord.records([path, empty, other], counts=[4, 0, 1])
    assert len(found) == 5
    assert [found.read(i) for i in (4, 2, 0, 3, 1)] == [
        b"of another file", DATA[2], DATA[0], DATA[3], DATA[1]
    ]  # fmt: skip
    assert list(tfrecord.read_through(path)) == DATA


def test_two_threads_read_the_same_and_leave_no_file_open(path):
    found = tfrecord.records([path])
    before = len(os.listdir("/proc/self/fd"))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        read = list(pool.map(found.read, [3, 2, 1, 0] * 20))
    assert read == DATA[::-1] * 20
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_index_is_kept_and_made_anew_for_a_file_that_changed(path, monkeypatch):
    tfrecord.records([path])
    monkeypatch.setattr(tfrecord, "index_of", lambda path: pytest.fail("the index was not kept"))
    assert len(tfrecord.records([path])) == 4
    monkeypatch.undo()
    path.write_bytes(tfds_folders.frame(b"new"))
    assert tfrecord.records([path]).read(0) == b"new"


@pytest.mark.parametrize("cut", [1, 3, 4, 8])
def test_a_file_that_was_cut_short_names_the_record_it_ends_in(path, cut):
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    at = len(whole) - 16 - len(DATA[-1])
    for read in (tfrecord.index_of, lambda path: list(tfrecord.read_through(path))):
        with pytest.raises(DataError, match=f"{path} ends within the record at byte {at};"):
            read(path)


def test_a_file_that_ends_within_a_length_is_cut_short(path):
    path.write_bytes(path.read_bytes()[:21])
    for read in (tfrecord.index_of, lambda path: list(tfrecord.read_through(path))):
        with pytest.raises(DataError, match="ends within the record at byte 16;"):
            read(path)


def test_a_damaged_length_and_a_damaged_record_are_named(path):
    whole = bytearray(path.read_bytes())
    whole[16] ^= 1
    path.write_bytes(whole)
    with pytest.raises(DataError, match="damaged at byte 16: the length"):
        tfrecord.records([path])
    whole[16] ^= 1
    whole[16 + 13] ^= 64  # the second letter of the second record
    path.write_bytes(whole)
    found = tfrecord.records([path])
    assert found.read(2) == DATA[2]  # the others are whole
    with pytest.raises(DataError, match="damaged in the record at byte 16: its data"):
        found.read(1)
    with pytest.raises(DataError, match="damaged in the record at byte 16: its data"):
        list(tfrecord.read_through(path))


def test_another_number_of_records_than_promised_is_refused(path):
    with pytest.raises(DataError, match="holds 4 records and its data set's description says 5"):
        tfrecord.records([path], counts=[5])
    with pytest.raises(DataError, match="cannot read .*absent: No such file"):
        tfrecord.records([path.with_name("absent")])


def test_an_example_holds_what_was_encoded():
    record = tfds_folders.encode(
        {"text": "Äpfel".encode(), "ids": [0, 1, 300, -1, 2**62], "x": [0.5, np.nan, -2.0]}
    )
    found = example.parse(record, "here")
    assert example.data(found, "text", "here").decode() == "Äpfel"
    np.testing.assert_array_equal(example.ints(found, "ids", "here"), [0, 1, 300, -1, 2**62])
    np.testing.assert_array_equal(example.floats(found, "x", "here"), [0.5, np.nan, -2])


def test_an_example_that_was_written_down_byte_by_byte():
    # {"a": int64 [3]}: the message as protobuf's encoding page spells it.
    record = b"\x0a\x0c\x0a\x0a\x0a\x01a\x12\x05\x1a\x03\x0a\x01\x03"
    assert tfds_folders.encode({"a": [3]}) == record
    assert example.ints(example.parse(record, "here"), "a", "here").tolist() == [3]


def test_an_example_of_another_kind_is_refused():
    found = example.parse(tfds_folders.encode({"a": [3]}), "record 7 of x")
    with pytest.raises(DataError, match="record 7 of x has no feature 'b' but a;"):
        example.ints(found, "b", "record 7 of x")
    assert list(found) == ["a"]
    with pytest.raises(DataError, match="'a' of record 7 of x is a int64_list; a float_list"):
        example.floats(found, "a", "record 7 of x")
    with pytest.raises(DataError, match="record 7 of x is no tf.train.Example"):
        example.parse(b"\x0a\xff", "record 7 of x")


def test_a_data_set_is_found_wherever_its_description_lies(tmp_path):
    splits = {"train": [[{"a": [1]}], [{"a": [2]}, {"a": [3]}]]}
    deep = tmp_path / "some" / "de-en" / "1.0.0"
    tfds_folders.write(deep, "some", splits, config="de-en")
    for root in (tmp_path, tmp_path / "some", deep):
        found = tfds.find(root, "some", "de-en")
        assert found.folder == deep
        shards = found.split("train")
        assert shards.num_examples == 3
        assert tfrecord.records(shards.paths, shards.counts).read(2) == tfds_folders.encode(
            {"a": [3]}
        )
    tfds_folders.write(
        tmp_path / "some" / "de-en" / "1.10.0", "some", splits, version="1.10.0", config="de-en"
    )
    assert tfds.find(tmp_path, "some").version == "1.10.0"  # the newest, not the last by letters


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(DataError, match="no data set 'some/de-en' of tensorflow-datasets is in"):
        tfds.find(tmp_path, "some", "de-en")
    with pytest.raises(DataError, match="is no folder"):
        tfds.find(tmp_path / "absent", "some")
    tfds_folders.write(tmp_path, "some", {"train": [[{"a": [1]}]] * 3})
    prepared = tfds.find(tmp_path, "some")
    with pytest.raises(DataError, match="has the splits train and not 'test'"):
        prepared.split("test")
    prepared.splits["train"].paths[1].unlink()
    with pytest.raises(DataError, match="1 of 3 files of some.s split .train. are missing"):
        prepared.split("train")
    tfds_folders.write_info(tmp_path, "some", {"train": []}, file_format="riegeli")
    with pytest.raises(DataError, match="holds riegeli files and tfrecord or array_record was"):
        tfds.find(tmp_path, "some")
    (tmp_path / "dataset_info.json").write_text('{"name": "some"}')
    with pytest.raises(DataError, match="is no description that tensorflow-datasets wrote"):
        tfds.find(tmp_path, "some")


def test_a_split_is_read_through_and_its_records_are_counted(tmp_path):
    tfds_folders.write(tmp_path, "some", {"train": [[{"a": [1]}], [{"a": [2]}, {"a": [3]}]]})
    shards = tfds.find(tmp_path, "some").split("train")
    named = list(shards.records())
    assert [record for _, record in named] == [tfds_folders.encode({"a": [i]}) for i in (1, 2, 3)]
    assert shards.at_random().read(2) == named[2][1]
    assert named[2][0] == f"record 1 of {shards.paths[1]}"
    shards.paths[1].write_bytes(tfds_folders.frame(b"one"))
    with pytest.raises(DataError, match="00001-of-00002 holds 1 records .* description says 2"):
        list(shards.records())


def test_array_record_files_hold_the_same(tmp_path):
    module = pytest.importorskip("array_record.python.array_record_module")
    tfds_folders.write_info(tmp_path, "some", {"train": [1003, 2]}, file_format="array_record")
    shards = tfds.find(tmp_path, "some").splits["train"]
    with pytest.raises(DataError, match="2 of 2 files of some's split 'train' are missing"):
        tfds.find(tmp_path, "some").split("train")
    assert shards.paths[0].name == "some-train.array_record-00000-of-00002"
    records = [b"record %d" % number for number in range(1005)]
    for path, some in zip(shards.paths, (records[:1003], records[1003:]), strict=True):
        writer = module.ArrayRecordWriter(str(path), "group_size:1")
        for record in some:
            writer.write(record)
        writer.close()
    assert [record for _, record in shards.records()] == records
    assert [list(check.damages()) for check in shards.checks()] == [[], []]
    order, at_random = [1004, 0, 1003, 1002, 7], shards.at_random()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(at_random.read, order * 9)) == [records[i] for i in order * 9]
    assert len(at_random) == 1005
    whole = shards.paths[0].read_bytes()
    shards.paths[0].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="00000-of-00002 (is damaged|holds 0 records)"):
        list(shards.records())
    (first, second) = [list(check.damages()) for check in shards.checks()]
    assert len(first) == 1 and second == []
    shards.paths[0].unlink()
    with pytest.raises(DataError, match="it is missing"):
        list(shards.records())


def test_all_damaged_records_of_a_file_are_found(path):
    assert list(tfrecord.damages(path, 4)) == []
    assert "holds 4 records and its data set's description says 5" in next(
        tfrecord.damages(path, 5)
    )
    content = bytearray(path.read_bytes())
    starts = np.cumsum([0, *(len(data) + 16 for data in DATA)])
    for record in (1, 3):
        content[starts[record] + 12] ^= 1
    path.write_bytes(content)
    first, second = tfrecord.damages(path, 4)
    assert f"in the record at byte {starts[1]}:" in first
    assert f"in the record at byte {starts[3]}:" in second
    # Behind a length that is wrong, nobody knows where the next record begins.
    content[starts[2]] ^= 1
    path.write_bytes(content)
    first, second = tfrecord.damages(path, 4)
    assert f"at byte {starts[2]}: the length" in second
