"""FineWeb-Edu at AlgoPerf's scale: blocks of one long stream of tokens, from a memory map."""

import dataclasses
import functools
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from algoperf_lite.data import folders
from algoperf_lite.data.checks import Check
from algoperf_lite.data.keys import RowKeys
from algoperf_lite.data.look import Look, Text
from algoperf_lite.data.source import DataError, Source, fingerprint_of_files
from workloads.finewebedu_lm import tokens

SEQ_LEN = 1024
# Blocks of 1,025 tokens that AlgoPerf's data set has, or of which it evaluates the first.
NUM_EXAMPLES = {"train": 8_741_333, "validation": 100_000}
# Blocks from the start of a split's stream that AlgoPerf evaluates; None trains on all.
MOST = {"train": None, "eval_train": 10_000, "validation": NUM_EXAMPLES["validation"]}
_FOLDERS = {"train": ("train",), "eval_train": ("train",), "validation": ("val", "validation")}
_COLUMNS = 100  # of tokens for people
_OWN = ("finewebedu", "fineweb_edu_10B", "finewebedu_lm")  # names in the root of all data sets


def source(folder: Path, split: str) -> Source:
    """Blocks of 'train', 'eval_train' or 'validation'; AlgoPerf has no test split.

    Args:
      folder: the data set's, with `train` and `val` in it, or a root of data sets.
    Raises DataError where files are missing.
    """
    if split not in MOST:
        raise DataError(f"finewebedu_lm has the splits {', '.join(MOST)}, and not {split!r}")
    own = _own(folder)
    path = folders.own(own, *_FOLDERS[split])
    if path == own:
        raise DataError(f"{own} has no folder {_FOLDERS[split][0]!r}; copy the data set there")
    tokens.files(path)
    return Blocks(path, MOST[split])


def missing(folder: Path) -> list[str]:
    """What is not there, in words."""
    found = []
    for split in ("train", "validation"):
        try:
            source(folder, split)
        except DataError as error:
            found.append(f"{split}: {error}")
    return found


def checks(folder: Path, split: str) -> Iterator[Check]:
    """What reads the files of a split. Raises DataError where one is missing."""
    return tokens.checks(source(folder, split).folder)


def _own(folder: Path) -> Path:
    return folders.own(folder, *_OWN)


@dataclasses.dataclass(frozen=True, eq=False)
class Blocks(Source):
    """Blocks of 1,025 tokens; documents run on from one to the next.

    Attributes:
      folder: of the split.
      most: blocks that are used, from the first on; None: all.
    """

    folder: Path
    most: int | None

    @property
    def num_examples(self) -> int:
        """Blocks; the stream's tail is dropped."""
        whole = len(self._stream) // (SEQ_LEN + 1)
        if not whole:
            raise DataError(
                f"{self.folder} has {len(self._stream)} tokens, and a block needs {SEQ_LEN + 1}"
            )
        return whole if self.most is None else min(self.most, whole)

    def fingerprint(self) -> str:
        """Of the files' names, sizes and ends."""
        return fingerprint_of_files(tokens.files(self.folder), self.folder.parent)

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """{'inputs', 'targets': (k, 1024) int32}, targets one token ahead."""
        del keys  # nothing is random
        stream, size = self._stream, SEQ_LEN + 1
        block_bytes = size * stream.itemsize
        # Read and not mapped: every page that a map has shown counts as this process's memory, and
        # blocks in random order show all gigabytes of them.
        with Path(stream.filename).open("rb", buffering=0) as file:
            starts = (stream.offset + picks * block_bytes).tolist()
            found = [os.pread(file.fileno(), block_bytes, start) for start in starts]
        blocks = np.frombuffer(b"".join(found), stream.dtype).reshape(-1, size).astype(np.int32)
        return {
            "inputs": np.ascontiguousarray(blocks[:, :-1]),
            "targets": np.ascontiguousarray(blocks[:, 1:]),
        }

    def looks(self, picks: np.ndarray, keys: RowKeys) -> Iterator[Look]:
        """The tokens of the inputs, and what they spell where GPT-2's tables are there."""
        rows = self.rows(picks, keys)
        for pick, ids in zip(picks, rows["inputs"], strict=True):
            first = int(pick) * (SEQ_LEN + 1)
            said = tokens.text(self.folder, ids)
            nobody = "(what they spell: copy GPT-2's vocab.json and merges.txt beside the split)"
            lines = [
                f"tokens {first:,} to {first + SEQ_LEN - 1:,} of {self.folder}; targets are one on",
                *(textwrap.wrap(" ".join(map(str, ids)), _COLUMNS)),
                "",
                nobody if said is None else said,
            ]
            yield {"text": Text(lines)}

    @functools.cached_property
    def _stream(self) -> np.memmap:
        return tokens.stream(self.folder)
