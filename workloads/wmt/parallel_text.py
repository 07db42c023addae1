"""Sentence pairs of WMT as tokens of AlgoPerf's SentencePiece model, made once and kept."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_lite.data import example, kept, needed, packing, tfds
from algoperf_lite.data.checks import Check, reading
from algoperf_lite.data.source import DataError

MODEL = "wmt_sentencepiece_model"
SIDES = {"inputs": "de", "targets": "en"}
PAD, EOS = 0, 2  # of the model: padding is also the token of unknown characters
MAX_LEN = 256  # tokens of a sentence, its end included; pairs with a longer one are dropped
VOCAB_SIZE = 32_000
# AlgoPerf trains on WMT 2017 and evaluates on newstest2013 and 2014.
DATA_SETS = {
    "train": ("wmt17_translate", "train"),
    "validation": ("wmt14_translate", "validation"),
    "test": ("wmt14_translate", "test"),
}
_LANGUAGES = "de-en"
_CHUNK = 10_000  # sentences that are tokenised together, by as many threads as there are cores
_BYTES_PER_PAIR = 140  # of tokens and offsets, on average

Pairs = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Tokenizer:
    """A SentencePiece model that turns text into tokens and back."""

    path: Path

    def encode(self, lines: list[str]) -> list[list[int]]:
        """Tokens of each line, with EOS at its end."""
        return self._model.encode(lines, out_type=int, add_eos=True)

    def text(self, ids: Iterable[int]) -> str:
        """The sentence that `ids` spell, up to their end."""
        before_end = itertools.takewhile(lambda token: token != EOS, map(int, ids))
        return self._model.decode(list(before_end))

    def pieces(self, ids: Iterable[int]) -> str:
        """The words and parts of words that `ids` stand for, with spaces between."""
        return " ".join(self._model.id_to_piece(list(map(int, ids))))

    @functools.cached_property
    def _model(self) -> Any:
        with needed.package("sentencepiece", "reading wmt"):
            import sentencepiece
        try:
            model = sentencepiece.SentencePieceProcessor(model_file=str(self.path))
        except (OSError, RuntimeError) as error:
            raise DataError(f"{self.path} is no SentencePiece model; copy it again") from error
        found = model.unk_id(), model.eos_id()
        size = model.get_piece_size()
        if found != (PAD, EOS) or size > VOCAB_SIZE:
            raise DataError(
                f"{self.path} has {size} tokens, of which {found} are the unknown one and "
                f"the end; AlgoPerf's has {VOCAB_SIZE}, and {(PAD, EOS)}: use that one"
            )
        return model


def tokenizer(folder: Path) -> Tokenizer:
    """The model in a data set's folder. Raises DataError where there is none."""
    path = folder / MODEL
    if not path.is_file():
        raise DataError(
            f"{path} is missing; copy the model that AlgoPerf's setup left there, since one that "
            "is trained anew has other tokens"
        )
    return Tokenizer(path)


def files(folder: Path, split: str) -> list[Path]:
    """The model and the records of a split. Raises DataError where one is missing."""
    return [tokenizer(folder).path, *shards(folder, split).paths]


def checks(folder: Path, split: str) -> Iterator[Check]:
    """What reads each of those files, whole. Raises DataError where one is missing."""
    model = tokenizer(folder)
    yield reading(model.path, lambda: model.encode([""]))
    yield from shards(folder, split).checks()


def pairs(folder: Path, split: str) -> Pairs:
    """The pairs of a split that are not too long, in the records' order: {'inputs', 'targets':
    uint16, all tokens of a side, 'inputs_first', 'targets_first': int64 (n + 1,), where each
    sentence begins}.

    Tokens are made once, which takes minutes for train, and kept in the user's cache.
    Raises DataError where a file is missing or damaged.
    """
    records = shards(folder, split)
    tokens = tokenizer(folder)

    def make(out: Path) -> None:
        for name, values in _tokenised(tokens, records).items():
            np.save(out / f"{name}.npy", values)

    num_bytes = _BYTES_PER_PAIR * records.num_examples
    return kept.arrays(f"wmt-1-{split}", files(folder, split), make, num_bytes)


def shards(folder: Path, split: str) -> tfds.Shards:
    """The records of a split. Raises DataError where one is missing."""
    name, part = DATA_SETS[split]
    return tfds.find(folder, name, _LANGUAGES).split(part)


def _tokenised(tokens: Tokenizer, records: tfds.Shards) -> Pairs:
    flat: dict[str, list[np.ndarray]] = {side: [] for side in SIDES}
    lengths: dict[str, list[np.ndarray]] = {side: [] for side in SIDES}
    texts = _texts(records)
    while chunk := list(itertools.islice(texts, _CHUNK)):
        ids = [tokens.encode(list(lines)) for lines in zip(*chunk, strict=True)]
        # AlgoPerf drops long pairs in evaluation too.
        short = [pair for pair in zip(*ids, strict=True) if max(map(len, pair)) <= MAX_LEN]
        for side, sentences in zip(SIDES, zip(*short, strict=True), strict=False):
            lengths[side].append(np.array([len(sentence) for sentence in sentences]))
            joined = itertools.chain.from_iterable(sentences)
            flat[side].append(np.fromiter(joined, np.uint16, lengths[side][-1].sum()))
    if not flat["inputs"]:
        raise DataError(
            f"{records.paths[0].parent} holds no pair of at most {MAX_LEN} tokens a side; is it "
            "the data set that AlgoPerf trains on?"
        )
    out = {}
    for side in SIDES:
        out[side] = np.concatenate(flat[side])
        out[f"{side}_first"] = packing.starts(np.concatenate(lengths[side]))
    return out


def _texts(records: tfds.Shards) -> Iterator[tuple[str, ...]]:
    for where, record in records.records():
        features = example.parse(record, where)
        try:
            yield tuple(
                example.data(features, language, where).decode() for language in SIDES.values()
            )
        except UnicodeDecodeError as error:
            raise DataError(f"{where} is no UTF-8 text ({error}); copy it again") from error
