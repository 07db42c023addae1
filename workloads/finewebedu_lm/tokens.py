"""Tokens of FineWeb-Edu, or of any text in English, as one stream per split."""

import functools
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_lite.data import arrow, kept, needed
from algoperf_lite.data.checks import Check, reading
from algoperf_lite.data.source import DataError

VOCAB_SIZE = 50_257  # of GPT-2's byte pairs, which fit uint16
END_OF_TEXT = "<|endoftext|>"
COLUMN, TEXT_COLUMN = "input_ids", "text"
# As OpenAI published the tables, and as Hugging Face calls them.
_TABLES = (("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt"))
_SUFFIXES = (".txt", ".parquet")
_DOCUMENTS = 1000  # that are tokenised together


def files(folder: Path) -> list[Path]:
    """What a split is read from: the files of a saved data set, or texts and GPT-2's tables.

    Args:
      folder: the split's own, such as `train`.
    Raises DataError where there is neither, or a file is missing.
    """
    if (folder / arrow.STATE).is_file():
        return arrow.saved_files(folder)
    texts = _text_files(folder)
    if not texts:
        raise DataError(
            f"{folder} holds neither a data set that `datasets` saved ({arrow.STATE} and .arrow "
            "files) nor .txt or .parquet files; copy one of them there"
        )
    return [*texts, *_tables(folder.parent)]


def checks(folder: Path) -> Iterator[Check]:
    """What reads each of those files, whole. Raises DataError where one is missing."""
    paths = files(folder)
    is_saved = (folder / arrow.STATE).is_file()
    # Of texts, those that are read for their words; GPT-2's tables show when they are used.
    for path in paths if is_saved else _text_files(folder):
        yield reading(path, functools.partial(_saved if is_saved else _documents, path))


def stream(folder: Path) -> np.memmap:
    """All tokens of a split, documents one after the other: uint16 (n,), a memory map.

    Made once, in about as many seconds as there are 30 million tokens, and kept in the user's
    cache. Raises DataError where a file is missing or damaged.
    """
    paths = files(folder)
    size = sum(path.stat().st_size for path in paths)

    def make(out: Path) -> None:
        kept.save_parts(out / "tokens.npy", _parts(folder, paths), np.uint16)

    # Saved tokens are four bytes each, and ours are two.
    num_bytes = size // 2 if (folder / arrow.STATE).is_file() else size
    return kept.arrays(f"finewebedu-1-{folder.name}", paths, make, num_bytes)["tokens"]


def _parts(folder: Path, paths: list[Path]) -> Iterator[np.ndarray]:
    yield np.zeros(0, np.uint16)  # there may be no others
    if not (folder / arrow.STATE).is_file():
        yield from _tokenised(_text_files(folder), *_tables(folder.parent))
        return
    yield from itertools.chain.from_iterable(map(_saved, paths))


def _saved(path: Path) -> Iterator[np.ndarray]:
    for number, values in enumerate(arrow.lists(path, COLUMN)):
        if len(values) and not 0 <= values.min() <= values.max() < VOCAB_SIZE:
            raise DataError(
                f"batch {number} of {path} has tokens from {values.min()} to {values.max()}; "
                f"GPT-2's are 0 to {VOCAB_SIZE - 1}: tokenise the data set with its tables"
            )
        yield values


def _text_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in _SUFFIXES)


def _tables(folder: Path) -> tuple[Path, Path]:
    for names in _TABLES:
        vocabulary, merges = (folder / name for name in names)
        if vocabulary.is_file() and merges.is_file():
            return vocabulary, merges
    names = " or ".join(" and ".join(pair) for pair in _TABLES)
    raise DataError(f"{folder} lacks GPT-2's tables, {names}; copy them there to tokenise text")


def text(folder: Path, ids: np.ndarray) -> str | None:
    """What tokens of a split spell; None where GPT-2's tables do not lie beside its folder, which
    only texts need.

    Raises DataError where the tables are damaged.
    """
    try:
        tables = _tables(folder.parent)
    except DataError:
        return None
    tokenizer, _ = _tokenizer(*tables)
    return tokenizer.decode(ids.tolist(), skip_special_tokens=False)


def _tokenised(paths: list[Path], vocabulary: Path, merges: Path) -> Iterator[np.ndarray]:
    tokenizer, end = _tokenizer(vocabulary, merges)
    documents = itertools.chain.from_iterable(map(_documents, paths))
    while some := list(itertools.islice(documents, _DOCUMENTS)):
        ids = itertools.chain.from_iterable(
            [*found.ids, end] for found in tokenizer.encode_batch(some)
        )
        yield np.fromiter(ids, np.uint16)


def _documents(path: Path) -> Iterable[str]:
    """A text file is one document, a parquet file has one in each row."""
    if path.suffix == ".parquet":
        return itertools.chain.from_iterable(arrow.texts(path, TEXT_COLUMN))
    try:
        return [path.read_text(encoding="utf-8")]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text ({error}); convert it") from error


def _tokenizer(vocabulary: Path, merges: Path) -> tuple[Any, int]:
    """GPT-2's tokenizer, and the token that ends a text."""
    with needed.package("tokenizers", "tokenising text for finewebedu_lm"):
        from tokenizers.implementations import ByteLevelBPETokenizer
    try:
        ids = json.loads(vocabulary.read_text(encoding="utf-8"))
        size, end = len(ids), ids[END_OF_TEXT]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{vocabulary} is not GPT-2's table of tokens ({error!r})") from error
    if size > VOCAB_SIZE:
        raise DataError(f"{vocabulary} has {size} tokens and GPT-2's has {VOCAB_SIZE}; copy that")
    try:
        return ByteLevelBPETokenizer(str(vocabulary), str(merges)), end
    except Exception as error:  # what its Rust code raises has no class of its own
        raise DataError(f"{merges} is not GPT-2's table of merges ({error})") from error
