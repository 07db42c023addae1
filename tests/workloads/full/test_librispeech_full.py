"""LibriSpeech: recordings, tokens, both word error rates, one stream for all, damage."""

import concurrent.futures
import re
import wave
from pathlib import Path

import numpy as np
import pytest

from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.source import DataError
from workloads.librispeech import full, utterances
from workloads.librispeech.sentences import Sentences, as_printed
from workloads.librispeech_conformer import full as conformer
from workloads.librispeech_deepspeech import full as deepspeech

pytest.importorskip("sentencepiece", reason="sentences are made by SentencePiece")

from tests.workloads.full import file_damages, librispeech_files

KEYS = RowKeys(0, Stream.TRAIN, 0)
LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")  # of pocketsphinx-testdata


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root") / "librispeech"
    librispeech_files.write(folder)
    return folder


@pytest.fixture
def own_folder(tmp_path):
    """One that a test may change."""
    folder = tmp_path / "librispeech"
    texts = librispeech_files.write(folder)
    return folder, texts


def test_splits_are_those_of_algoperf(folder):
    sizes = {
        split: full.source(folder.parent, split).num_examples
        for split in ("train", "eval_train", "validation", "test")
    }
    assert sizes == {"train": 11, "eval_train": 6, "validation": 5, "test": 4}
    assert conformer.source is deepspeech.source is full.source
    assert conformer.missing(folder) == deepspeech.missing(folder.parent) == []


def test_rows_are_the_files_padded(own_folder):
    folder, texts = own_folder
    rows = full.source(folder, "validation").rows(np.arange(5), KEYS)
    names = [
        path.name.removesuffix("_audio.npy")
        for part in ("dev-clean", "dev-other")
        for path in sorted((folder / part).glob("*_audio.npy"))
    ]
    assert rows["inputs"].shape == (5, 320_000)
    assert {name: values.dtype for name, values in rows.items()} == {
        "inputs": np.int16,
        "input_lengths": np.int32,
        "targets": np.int32,
    }
    for i, name in enumerate(names):
        audio = np.load(next(folder.glob(f"dev-*/{name}_audio.npy")))
        length = rows["input_lengths"][i]
        np.testing.assert_array_equal(rows["inputs"][i, :length], audio)
        assert not rows["inputs"][i, length:].any()
    said = Sentences(folder / full.TOKENIZER).texts(rows["targets"])
    assert said == [texts[name] for name in names]
    ends = [row[np.flatnonzero(row)[-1]] for row in rows["targets"]]
    assert ends == [2] * 5  # </s>


def test_rows_depend_neither_on_order_nor_on_threads(folder):
    source = full.source(folder, "train")
    whole = source.rows(np.arange(11), KEYS)
    picks = np.random.default_rng(0).permutation(11)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(lambda part: source.rows(part, KEYS), np.array_split(picks, 4)))
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values[picks])


def test_a_stream_gives_the_same_rows(own_folder):
    folder, _ = own_folder
    before = full.source(folder, "train").rows(np.arange(11), KEYS)
    for part in librispeech_files.PARTS:
        files = utterances.Files(folder / part)
        done = list(utterances.pack(files, full.packed_folder(folder, part)))
        assert done == list(range(1, files.num_examples + 1))
    for part in librispeech_files.PARTS:  # nothing else is needed any more
        for path in (folder / part).iterdir():
            path.unlink()
    after = full.source(folder, "train").rows(np.arange(11), KEYS)
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
    stream = full.packed_folder(folder, "test-clean") / "audio.int16"
    stream.write_bytes(stream.read_bytes()[:-2])
    with pytest.raises(DataError, match=r"audio.int16 ends at byte \d+ and \d+ were expected"):
        full.source(folder, "test").rows(np.array([3]), KEYS)


def test_packing_that_is_broken_off_leaves_nothing(own_folder):
    folder, _ = own_folder
    packing = utterances.pack(utterances.Files(folder / "dev-clean"), folder / "dev-clean-packed")
    next(packing)
    packing.close()
    assert not list(folder.glob("*packed*"))


def test_word_error_rates_are_algoperf_s_and_the_true_one(folder):
    sentences = Sentences(folder / full.TOKENIZER)
    said, heard = ["THE CAT SAT", "IT'S OLD"], ["THE DOG SAT", "IT'S OLD"]
    rows = []
    for texts in (said, heard):
        ids = [librispeech_files.tokens(folder, text) for text in texts]
        rows.append(np.array([row + [0] * (40 - len(row)) for row in ids]))
    rates = sentences.word_error_rates(*rows)
    assert rates["true_wer"] == pytest.approx(1 / 5)
    assert rates["wer"] == pytest.approx(1 / 9)  # two more words an utterance


def test_texts_are_printed_as_tensorflow_prints_them():
    assert as_printed(["A B", "IT'S", ""]) == [
        "tf.Tensor(b'A B', shape=(), dtype=string)",
        'tf.Tensor(b"IT\'S", shape=(), dtype=string)',
        "tf.Tensor(b'', shape=(), dtype=string)",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array([0.5]), r"_audio.npy holds float64 \(1,\), and whole numbers"),
        (np.array([40_000]), r"_audio.npy holds int64 \(1,\), and whole numbers within -32768"),
        (np.array([{}], object), r"cannot read .*_audio.npy .*allow_pickle=False"),
        (np.zeros(320_001, np.int64), r"_audio.npy: 320001 samples and \d+ tokens"),
        (b"\x93NUMPY", r"cannot read .*_audio.npy"),
        (None, r"cannot read .*_audio.npy .*No such file"),
    ],
)
def test_damage_is_named(own_folder, content, message):
    folder, _ = own_folder
    path = sorted((folder / "test-clean").glob("*_audio.npy"))[2]
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    source = full.source(folder, "test")
    with pytest.raises(DataError, match=message):
        source.rows(np.arange(4), KEYS)
    assert len(source.rows(np.array([0, 1, 3]), KEYS)["inputs"]) == 3


def test_what_is_missing_or_wrong_is_said_in_words(own_folder):
    folder, _ = own_folder
    (folder / full.TOKENIZER).unlink()
    (folder / "dev-other.csv").rename(folder / "dev.csv")
    assert full.missing(folder) == [
        "spm_model.vocab (the tokenizer)",
        "dev-other.csv (their list)",
    ]
    with pytest.raises(DataError, match="lacks data: dev-other.csv"):
        full.source(folder, "validation")
    (folder / "test-clean.csv").write_text("id,text\n1,2\n")
    with pytest.raises(DataError, match="begins with 'id,text' and ',id' was expected"):
        _ = full.source(folder, "test").num_examples
    with pytest.raises(DataError, match="as a SentencePiece model"):
        Sentences(folder / "dev.csv").texts(np.array([[1]]))


@pytest.mark.skipif(not LIBRIVOX.is_dir(), reason="needs Debian's pocketsphinx-testdata")
def test_real_speech_is_read_as_it_was_recorded(tmp_path):
    lines = (LIBRIVOX / "transcription").read_text().splitlines()
    found = dict(re.fullmatch(r"<s> (.*) </s> \((.*)\)", line).groups()[::-1] for line in lines)
    said = {}
    for name, text in found.items():
        with wave.open(str(LIBRIVOX / f"{name}.wav")) as file:
            assert file.getframerate() == 16_000
            audio = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        said[name] = (audio, text.upper())
    librispeech_files.train_tokenizer(tmp_path, [text for _, text in said.values()], 40)
    librispeech_files.write_part(tmp_path, "test-clean", said)
    rows = full.source(tmp_path, "test").rows(np.arange(len(said)), KEYS)
    texts = Sentences(tmp_path / full.TOKENIZER).texts(rows["targets"])
    assert texts == [said[name][1] for name in sorted(said)]
    for row, length, name in zip(rows["inputs"], rows["input_lengths"], sorted(said), strict=True):
        np.testing.assert_array_equal(row[:length], said[name][0])


def test_checks_read_a_stream_to_its_end(own_folder):
    folder, _ = own_folder
    assert file_damages.found(full, folder, "test") == []
    packed = full.packed_folder(folder, "test-clean")
    assert list(utterances.pack(utterances.Files(folder / "test-clean"), packed))[-1] == 4
    assert file_damages.found(full, folder, "test") == []
    stream = packed / "audio.int16"
    stream.write_bytes(stream.read_bytes()[:-2])
    (words,) = file_damages.found(full, folder, "test")
    assert f"{stream} ends at byte" in words
