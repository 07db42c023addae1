"""wmt at full scale: AlgoPerf's tokens, what it drops and cuts, and rows packed as it packs."""

import concurrent.futures

import numpy as np
import pytest

from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.source import DataError
from tests.workloads.full import file_damages, tfds_folders, wmt_files
from workloads.wmt import full, parallel_text

sentencepiece = pytest.importorskip("sentencepiece")
pytest.importorskip("google_crc32c")

KEYS = RowKeys(0, Stream.TRAIN, 0)


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    return {split: wmt_files.sentences(rng, split) for split in wmt_files.NUM}


@pytest.fixture(scope="module")
def root(tmp_path_factory, texts):
    root = tmp_path_factory.mktemp("wmt")
    (root / "wmt").mkdir()
    wmt_files.train_tokenizer(root / "wmt" / parallel_text.MODEL, texts["train"])
    wmt_files.write(root, texts)
    return root


@pytest.fixture(scope="module")
def kept(root, texts):
    """(tokens of de, tokens of en) of each pair that is not too long, straight from the model."""
    model = sentencepiece.SentencePieceProcessor(model_file=str(root / "wmt" / parallel_text.MODEL))
    found = {}
    for split, pairs in texts.items():
        ids = [tuple([*model.encode(pair[side]), 2] for side in ("de", "en")) for pair in pairs]
        found[split] = [pair for pair in ids if max(map(len, pair)) <= 256]
        assert len(found[split]) < len(pairs)
    return found


def cut(tokens):
    return tokens[: sum(token != 0 for token in tokens)]


def all_rows(source):
    return source.rows(np.arange(source.num_examples), KEYS)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_has_the_pairs_that_are_not_too_long(root, kept, split):
    rows = all_rows(full.source(root, split))
    found = [
        tuple(row[row != 0].tolist() for row in pair)
        for pair in zip(rows["inputs"], rows["targets"], strict=True)
    ]
    expected = [tuple([t for t in side if t] for side in pair) for pair in kept[split]]
    assert sorted(found) == sorted(expected)
    lengths = (rows["targets"] != 0).sum(axis=1)
    assert rows["inputs"].shape == (len(expected), 256) and rows["inputs"].dtype == np.uint16
    longest = (np.arange(256) * (rows["targets"] == 2)).max(axis=1)
    assert (np.diff(longest) >= 0).all() and (lengths <= longest + 1).all()


def test_all_rows_in_memory_are_those_that_are_read(root, monkeypatch):
    monkeypatch.setattr(full, "_ROWS_AT_ONCE", 9)
    source = full.source(root, "train")
    assert source.num_examples % 9
    found = source.in_memory(2**30)
    for name, values in all_rows(source).items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype
    assert source.in_memory(1000) is None


def test_an_unknown_character_keeps_its_place_in_evaluation(root, kept):
    with_unknown = next(pair for pair in kept["validation"] if 0 in pair[1])
    rows = all_rows(full.source(root, "validation"))
    padded = np.pad(with_unknown[1], (0, 256 - len(with_unknown[1])))
    assert (rows["targets"] == padded).all(axis=1).any()


def test_eval_train_is_a_fixed_part_of_train_unpacked(root, kept, monkeypatch):
    monkeypatch.setattr(full, "NUM_EVAL_TRAIN", 100)
    source = full.source(root, "eval_train")
    assert source.num_examples == 100
    rows, again = all_rows(source), all_rows(full.source(root, "eval_train"))
    np.testing.assert_array_equal(rows["inputs"], again["inputs"])
    known = {tuple(np.pad(en, (0, 256 - len(en)))) for _, en in kept["train"]}
    assert all(tuple(row) in known for row in rows["targets"].tolist())


def segments(rows, row):
    """The pairs of a packed row, which must lie one after the other."""
    found = []
    for segment in range(1, rows["inputs_segmentation"][row].max() + 1):
        pair = []
        for side in ("inputs", "targets"):
            at = np.flatnonzero(rows[f"{side}_segmentation"][row] == segment)
            np.testing.assert_array_equal(rows[f"{side}_position"][row, at], np.arange(len(at)))
            pair.append(tuple(rows[side][row, at].tolist()))
        found.append(tuple(pair))
    return found


def test_rows_are_packed_by_the_rule_of_the_next_fit(root, kept):
    source = full.source(root, "train")
    rows = all_rows(source)
    packed = [segments(rows, row) for row in range(source.num_examples)]
    # Every pair is there once, short of a token for each unknown character.
    cut_pairs = [tuple(tuple(cut(side)) for side in pair) for pair in kept["train"]]
    in_order = [pair for row in packed for pair in row]
    assert sorted(in_order) == sorted(cut_pairs)
    # Next-fit in groups of 256, pair by pair.
    expected, used = [], (0, 0)
    for number, pair in enumerate(in_order):
        size = len(pair[0]), len(pair[1])
        grown = used[0] + size[0], used[1] + size[1]
        if number % 256 == 0 or max(grown) > 256:
            expected.append([])
            grown = size
        expected[-1].append(pair)
        used = grown
    assert packed == expected
    padding = rows["inputs_segmentation"] == 0
    assert not rows["inputs"][padding].any() and not rows["inputs_position"][padding].any()


def test_a_pair_with_unknown_characters_loses_its_end(root, kept):
    whole = next(en for _, en in kept["train"] if 0 in en)
    assert whole[-1] == 2 and cut(whole) == whole[: -whole.count(0)]
    rows = all_rows(full.source(root, "train"))
    every = {pair[1] for row in range(len(rows["inputs"])) for pair in segments(rows, row)}
    assert tuple(cut(whole)) in every and tuple(whole) not in every


def test_any_split_of_picks_and_two_threads_give_the_same_rows(root):
    source = full.source(root, "train")
    plan = source.plan(seed=5, batch_size=16)
    picks = plan.picks(2)
    whole = source.rows(picks, KEYS)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda part: source.rows(part, KEYS), np.split(picks, [3, 11])))
    for name, values in whole.items():
        assert values.shape == (16, 256) and values.dtype == np.uint16
        np.testing.assert_array_equal(values, np.concatenate([part[name] for part in parts]))
    per_epoch = source.num_examples // 16
    seen = np.concatenate([plan.picks(t) for t in range(per_epoch)])
    assert len(np.unique(seen)) == len(seen)


def test_tokens_spell_the_text_again(root, texts):
    tokenizer = full.tokenizer(root)
    for pair in texts["test"][2:]:  # the second has characters that the model does not know
        ids = tokenizer.encode([pair["en"]])[0]
        assert ids[-1] == 2 and tokenizer.text([*ids, 5, 6]) == pair["en"]
        assert tokenizer.text(np.array(ids[:-1], np.uint16)) == tokenizer.text(ids)


def test_what_is_missing_is_said(tmp_path, root, texts):
    found = full.missing(tmp_path)
    assert found[0] == str(tmp_path / parallel_text.MODEL) and len(found) == 4
    with pytest.raises(DataError, match="wmt_sentencepiece_model is missing; copy"):
        full.source(tmp_path, "train")
    assert full.missing(root) == []
    with pytest.raises(DataError, match="has the splits train, .*, and not 'dev'"):
        full.source(root, "dev")
    (tmp_path / "wmt").mkdir()
    (tmp_path / "wmt" / parallel_text.MODEL).write_bytes(b"no model")
    wmt_files.write(tmp_path, texts)
    assert full.missing(tmp_path) == []
    with pytest.raises(DataError, match="wmt_sentencepiece_model is no SentencePiece model"):
        all_rows(full.source(tmp_path, "test"))


def test_damaged_records_are_named(tmp_path, root):
    model = (root / "wmt" / parallel_text.MODEL).read_bytes()
    (tmp_path / parallel_text.MODEL).write_bytes(model)
    for example, words in (
        ({"de": b"ja", "en": b"\xff"}, "record 0 of .* is no UTF-8 text"),
        ({"de": b"ja"}, "record 0 of .* has no feature 'en' but de"),
    ):
        tfds_folders.write(tmp_path, "wmt17_translate", {"train": [[example]]}, config="de-en")
        with pytest.raises(DataError, match=words):
            all_rows(full.source(tmp_path, "train"))


def test_checks_read_the_model_and_all_records(tmp_path, root, texts):
    (tmp_path / "wmt").mkdir()
    (tmp_path / "wmt" / parallel_text.MODEL).write_bytes(b"no model")
    wmt_files.write(tmp_path, texts)
    shard = next(tmp_path.rglob("wmt17*00001-of-00002"))
    shard.write_bytes(shard.read_bytes()[:-2])
    assert file_damages.found(full, root, "train") == []
    model, records = file_damages.found(full, tmp_path, "train")
    assert "is no SentencePiece model" in model
    assert f"{shard} ends within the record at byte" in records
    assert full.num_found(root, "train") == wmt_files.NUM["train"]  # the long ones are among them
