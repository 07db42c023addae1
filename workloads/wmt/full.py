"""WMT de-en at AlgoPerf's scale: packed rows of train, pairs of the other splits."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from algoperf_lite.data import folders, packing, tfds
from algoperf_lite.data.checks import Check
from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.look import Look, Text
from algoperf_lite.data.source import DataError, Source, fingerprint_of_files
from workloads.wmt import parallel_text
from workloads.wmt.parallel_text import MAX_LEN, SIDES, Pairs, Tokenizer

SPLITS = ("train", "eval_train", "validation", "test")
# Pairs, as TFDS has them; those of more than 256 tokens a side are dropped later.
NUM_EXAMPLES = {"train": 5_906_184, "validation": 3_000, "test": 3_003}
NUM_EVAL_TRAIN = 3072  # 24 batches of 128
_GROUP = 256  # pairs that are packed together
_ROWS_AT_ONCE = 8192
_SEED = 0  # of the order in which train is packed, and of the pairs of eval_train


def source(folder: Path, split: str) -> Source:
    """A split of SPLITS; eval_train are pairs of train, since packed rows cannot be decoded.

    Args:
      folder: the data set's, or a root of data sets.
    Raises DataError where files are missing.
    """
    if split not in SPLITS:
        raise DataError(f"wmt has the splits {', '.join(SPLITS)}, and not {split!r}")
    folder = folders.own(folder, "wmt")
    parallel_text.files(folder, _read_from(split))
    return PackedPairs(folder) if split == "train" else SinglePairs(folder, split)


def missing(folder: Path) -> list[str]:
    """The files that are not there, in words."""
    folder = folders.own(folder, "wmt")
    model = folder / parallel_text.MODEL
    found = [] if model.is_file() else [str(model)]
    for split, (name, part) in parallel_text.DATA_SETS.items():
        try:
            prepared = tfds.find(folder, name, "de-en")
        except DataError as error:
            found.append(f"{split}: {error}")
            continue
        shards = prepared.splits.get(part)
        found += [f"split {part!r} of {name}"] if shards is None else shards.missing()
    return found


def checks(folder: Path, split: str) -> Iterator[Check]:
    """What reads the model and the records of a split. Raises DataError where one is missing."""
    return parallel_text.checks(folders.own(folder, "wmt"), _read_from(split))


def num_found(folder: Path, split: str) -> int:
    """Pairs of a split as its description says, long ones among them."""
    return parallel_text.shards(folders.own(folder, "wmt"), _read_from(split)).num_examples


def tokenizer(folder: Path) -> Tokenizer:
    """What turns the tokens of a translation into text. Raises DataError where it is missing."""
    return parallel_text.tokenizer(folders.own(folder, "wmt"))


def _read_from(split: str) -> str:
    return "train" if split == "eval_train" else split


def _pair_in_words(spell: Tokenizer, pair: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Both sentences, and the tokens that the model gets of them."""
    for side, language in SIDES.items():
        yield f"{language}: {spell.text(pair[side])}"
        yield f"{side}, {len(pair[side])} tokens: {spell.pieces(pair[side])}"


@dataclasses.dataclass(frozen=True, eq=False)
class PackedPairs(Source):
    """Rows of 256 tokens a side, several pairs in each.

    Pairs are packed once, in a random order that is always the same, by AlgoPerf's rule: of 256
    pairs each goes into the open row while both sides have room, else it opens the next one. Each
    epoch permutes the rows.
    """

    folder: Path

    @property
    def num_examples(self) -> int:
        """Rows."""
        return len(self._rows[1]) - 1

    def fingerprint(self) -> str:
        """Of the model's and the records' names, sizes and ends."""
        return fingerprint_of_files(parallel_text.files(self.folder, "train"), self.folder)

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """Arrays (k, 256) uint16: 'inputs' and 'targets', and for each the position of a token in
        its sentence and the number of its sentence in the row, from 1; padding is 0 everywhere."""
        del keys  # nothing is random
        order, borders = self._rows
        sizes = np.diff(borders)[picks]
        pairs = order[packing.ranges(borders[picks], sizes)]
        row = np.repeat(np.arange(len(picks)), sizes)
        segment = packing.ranges(np.ones_like(picks), sizes)
        out = {}
        for side in SIDES:
            length = self._lengths[side][pairs]
            token = packing.ranges(self._pairs[f"{side}_first"][pairs], length)
            position = packing.ranges(np.zeros_like(length), length)
            start = np.cumsum(length) - length
            start -= start[np.searchsorted(row, row)]  # counted from the row's first pair
            at = np.repeat(row, length), np.repeat(start, length) + position
            for name, values in (
                (side, self._pairs[side][token]),
                (f"{side}_position", position),
                (f"{side}_segmentation", np.repeat(segment, length)),
            ):
                out[name] = np.zeros((len(picks), MAX_LEN), np.uint16)
                out[name][at] = values
        return out

    def looks(self, picks: np.ndarray, keys: RowKeys) -> Iterator[Look]:
        """The pairs of each row, as text and as tokens."""
        spell = tokenizer(self.folder)
        rows = self.rows(picks, keys)
        for row, pick in enumerate(picks):
            sides = {side: (rows[side][row], rows[f"{side}_segmentation"][row]) for side in SIDES}
            used = " and ".join(str(np.count_nonzero(part)) for _, part in sides.values())
            number = int(rows["inputs_segmentation"][row].max())
            lines = [f"row {pick}: {number} pairs, {used} of {MAX_LEN} tokens"]
            for i in range(1, number + 1):
                pair = {side: ids[part == i] for side, (ids, part) in sides.items()}
                lines += ["", *_pair_in_words(spell, pair)]
            yield {"text": Text(lines)}

    def in_memory(self, most: int) -> dict[str, np.ndarray] | None:
        """All rows, of six numbers of two bytes for each token."""
        num_bytes = self.num_examples * MAX_LEN * 3 * len(SIDES) * np.uint16().nbytes
        if num_bytes > most:
            return None
        out: dict[str, np.ndarray] = {}
        # Some at a time: what is computed on the way takes several times the memory of the rows.
        for start in range(0, self.num_examples, _ROWS_AT_ONCE):
            picks = np.arange(start, min(start + _ROWS_AT_ONCE, self.num_examples))
            for name, values in self.rows(picks, RowKeys(0, Stream.TRAIN, step=0)).items():
                if name not in out:
                    out[name] = np.empty((self.num_examples, MAX_LEN), values.dtype)
                out[name][picks] = values
        return out

    @functools.cached_property
    def _pairs(self) -> Pairs:
        return parallel_text.pairs(self.folder, "train")

    @functools.cached_property
    def _lengths(self) -> dict[str, np.ndarray]:
        """Tokens of each sentence that are packed: int64 (n,)."""
        # AlgoPerf counts those that are not padding and takes as many from the start. So a
        # sentence loses a token at its end for each unknown character, whose token is padding's.
        return {
            side: np.add.reduceat(self._pairs[side] != 0, self._pairs[f"{side}_first"][:-1],
                                  dtype=np.int64)
            for side in SIDES
        }  # fmt: skip

    @functools.cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The pairs in their fixed order, and where each row begins in it."""
        lengths = list(self._lengths.values())
        order = np.random.default_rng(_SEED).permutation(len(lengths[0]))
        group_end = (np.arange(len(order)) // _GROUP + 1) * _GROUP
        sizes = [length[order] for length in lengths]
        return order, packing.borders(sizes, [MAX_LEN, MAX_LEN], group_end)


@dataclasses.dataclass(frozen=True, eq=False)
class SinglePairs(Source):
    """Pairs, one a row, those with short targets first: a batch is decoded until its longest
    sentence ends, and no metric depends on the order."""

    folder: Path
    split: str

    @property
    def num_examples(self) -> int:
        """Pairs that are not too long."""
        return len(self._order)

    def fingerprint(self) -> str:
        """Of the model's and the records' names, sizes and ends."""
        files = parallel_text.files(self.folder, _read_from(self.split))
        return fingerprint_of_files(files, self.folder)

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """{'inputs', 'targets': (k, 256) uint16}, padded with 0."""
        del keys  # nothing is random
        out = {}
        for side in SIDES:
            first = self._pairs[f"{side}_first"]
            tokens = first[self._order[picks]][:, None] + np.arange(MAX_LEN)
            is_there = tokens < first[self._order[picks] + 1][:, None]
            found = self._pairs[side][np.where(is_there, tokens, 0)]
            out[side] = np.where(is_there, found, np.uint16(parallel_text.PAD))
        return out

    def looks(self, picks: np.ndarray, keys: RowKeys) -> Iterator[Look]:
        """Each pair, as text and as tokens."""
        spell = tokenizer(self.folder)
        rows = self.rows(picks, keys)
        for row, pick in enumerate(picks):
            pair = {side: rows[side][row] for side in SIDES}
            pair = {side: ids[ids != parallel_text.PAD] for side, ids in pair.items()}
            yield {"text": Text([f"pair {pick}", *_pair_in_words(spell, pair)])}

    @functools.cached_property
    def _pairs(self) -> Pairs:
        return parallel_text.pairs(self.folder, _read_from(self.split))

    @functools.cached_property
    def _order(self) -> np.ndarray:
        lengths = np.diff(self._pairs["targets_first"])
        if self.split == "eval_train":
            chosen = np.random.default_rng(_SEED).permutation(len(lengths))[:NUM_EVAL_TRAIN]
        else:
            chosen = np.arange(len(lengths))
        return chosen[np.argsort(lengths[chosen], kind="stable")]
