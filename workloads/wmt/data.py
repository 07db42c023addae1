"""Sentence pairs of the transfer grammar as tokens: vocabulary, splits and packed rows.

Ids 0 and 1 are padding and the end of a sentence; the others are sub-words of both languages.
`▁` in front of one marks the start of a word.
"""

import functools
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from algoperf_lite.storage import cache
from workloads.wmt.clauses import sentence
from workloads.wmt.grammar import Draw
from workloads.wmt.numerals import Pair

SIDES = ("inputs", "targets")
PAD, EOS = 0, 1
SENTENCE_LEN = 24  # tokens of the longest sentence, its end included
_SEED = 20170801
_DRAWS = 50_000
_UNIFORMS = 40  # more than any sentence needs
_HELD_OUT_IN = 64  # one key in so many belongs to validation, another one to test


def pairs(split: str, most: int | None = None) -> dict[str, np.ndarray]:
    """The first `most` pairs of a split, a pair a row: uint16 (n, SENTENCE_LEN).

    Pairs with short targets come first.
    """
    found = {side: _arrays()[f"{split}_{side}"][:most] for side in SIDES}
    # A batch is decoded until its longest sentence ends, so alike lengths belong together.
    order = np.argsort((found["targets"] != PAD).sum(axis=1), kind="stable")
    return {side: tokens[order] for side, tokens in found.items()}


@functools.cache
def packed(row_len: int) -> dict[str, np.ndarray]:
    """Pairs of train in rows of `row_len`, several in one, in AlgoPerf's form.

    Arrays (rows, row_len): 'inputs' and 'targets', and for each the position of a token in its
    sentence and the number of its sentence in the row, from 1; padding is 0 everywhere. Rows with
    most targets come first.
    """
    unpacked = {side: _arrays()[f"train_{side}"] for side in SIDES}
    lengths = {side: (tokens != PAD).sum(axis=1) for side, tokens in unpacked.items()}
    row, segment, starts = _places(lengths, row_len)
    out = {}
    for side, tokens in unpacked.items():
        pair, position = np.nonzero(tokens)
        at = row[pair], starts[side][pair] + position
        for name, dtype, values in (
            (side, np.uint16, tokens[pair, position]),
            (f"{side}_position", np.uint8, position),
            (f"{side}_segmentation", np.uint8, segment[pair]),
        ):
            out[name] = np.zeros((row[-1] + 1, row_len), dtype)
            out[name][at] = values
    order = np.argsort(-(out["targets"] != PAD).sum(axis=1), kind="stable")
    return {name: array[order] for name, array in out.items()}


def _places(
    lengths: dict[str, np.ndarray], row_len: int
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Row, number in the row and starts of each pair, put one after the other."""
    row, segment, used = 0, 0, (0, 0)
    rows, segments, starts = [], [], []
    for size in zip(lengths["inputs"].tolist(), lengths["targets"].tolist(), strict=True):
        if used[0] + size[0] > row_len or used[1] + size[1] > row_len:
            row, segment, used = row + 1, 0, (0, 0)
        segment += 1
        rows.append(row)
        segments.append(segment)
        starts.append(used)
        used = used[0] + size[0], used[1] + size[1]
    inputs, targets = np.array(starts).T
    return np.array(rows), np.array(segments), {"inputs": inputs, "targets": targets}


@functools.cache
def vocabulary() -> tuple[str, ...]:
    """The token of each id; those of padding and end are empty."""
    return tuple(_arrays()["vocabulary"].tolist())


def text(ids: Iterable[int]) -> str:
    """The sentence that `ids` spell, up to its end, with a capital letter in front."""
    tokens, found = vocabulary(), []
    for token in ids:
        if token in (PAD, EOS):
            break
        found.append(tokens[token])
    words = "".join(found).replace("▁", " ").strip()
    return words[:1].upper() + words[1:]


@functools.cache
def _arrays() -> dict[str, np.ndarray]:
    return cache.arrays("wmt-1-pairs", _generate)


def _generate() -> dict[str, np.ndarray]:
    """Sentences drawn from one stream; the hash of a sentence's key tells its split."""
    # Equal keys go to one split, so a held-out sentence has no twin in train. Validation and test
    # keep one sentence of a key, since many would say the same of other people.
    uniforms = np.random.default_rng(np.random.SeedSequence(_SEED)).random((_DRAWS, _UNIFORMS))
    found: dict[str, dict[Any, Pair]] = {"train": {}, "validation": {}, "test": {}}
    for row in uniforms.tolist():
        key, pair = sentence(Draw(row))
        if max(len(_pieces(phrase)) for phrase in pair) >= SENTENCE_LEN:
            continue
        split = {0: "validation", 1: "test"}.get(zlib.crc32(key.encode()) % _HELD_OUT_IN, "train")
        found[split].setdefault(pair if split == "train" else key, pair)
    pieces = {
        f"{split}_{side}": [_pieces(pair[index]) for pair in pairs.values()]
        for split, pairs in found.items()
        for index, side in enumerate(SIDES)
    }
    tokens = sorted({token for rows in pieces.values() for row in rows for token in row})
    ids = {token: number for number, token in enumerate(tokens, start=EOS + 1)}
    out = {"vocabulary": np.array(["", "", *tokens])}
    for name, rows in pieces.items():
        out[name] = np.full((len(rows), SENTENCE_LEN), PAD, np.uint16)
        for array, row in zip(out[name], rows, strict=True):
            array[: len(row) + 1] = [*map(ids.__getitem__, row), EOS]
    return out


def _pieces(phrase: str) -> list[str]:
    """`drei|und|zwanzig Äpfel|.` as `▁drei`, `und`, `zwanzig`, `▁Äpfel`, `.`."""
    return f"▁{phrase}".replace(" ", " ▁").replace("|", " ").split(" ")


def main() -> None:
    """Prints ten pairs of train, from short to long."""
    unpacked = pairs("train")
    for row in range(0, len(unpacked["inputs"]), -(-len(unpacked["inputs"]) // 10)):
        print(*(text(unpacked[side][row].tolist()) for side in SIDES), sep="\n    ")


if __name__ == "__main__":
    main()
