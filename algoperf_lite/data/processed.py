"""Examples processed once and kept as memory maps: what is evaluated often is decoded once.

They lie in the user's cache in chunks, each made when one of its examples is first asked for, so
that a process that is killed has lost one chunk.
"""

import dataclasses
import functools
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_lite.data import kept
from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.source import Source

_NUM_LOCKS = 16


def _locks() -> tuple[threading.Lock, ...]:
    return tuple(threading.Lock() for _ in range(_NUM_LOCKS))


@dataclasses.dataclass(frozen=True, eq=False)
class Processed(Source):
    """The examples of an evaluation of another source, numbered in the order of its pass.

    Their processing may depend on a seed and nothing else: it is not for pictures that are cropped
    anew each time. A row of the pass is one example.

    Attributes:
      source: reads an example where none is kept yet.
      kind: names the content and the version of the processing, such as "fastmri-1-test".
      chunk_rows: examples made and kept together; some tens of MB are right.
      seed: of `RowKeys`, where the processing asks for one.
    """

    source: Source
    kind: str
    chunk_rows: int
    seed: int = 0
    # Of threads that want chunks which are not there yet: the second one waits for the first.
    locks: tuple[threading.Lock, ...] = dataclasses.field(default_factory=_locks, repr=False)

    @property
    def num_examples(self) -> int:
        """The source's."""
        return self.source.num_examples

    @functools.cached_property
    def _fingerprint(self) -> str:
        return self.source.fingerprint()

    def fingerprint(self) -> str:
        """The source's: what is kept was read from it."""
        return self._fingerprint

    @functools.cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self._fingerprint.encode()).hexdigest()[:16]

    def part(self, size: int) -> Source:
        """The source's, kept on its own: a chunk of all would be made for each example of it."""
        kind = f"{self.kind}-{size}"
        return dataclasses.replace(self, source=self.source.part(size), kind=kind)

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """Kept examples, made first where they are not there.

        Raises DataError where they cannot be read, or there is no room to keep them.
        """
        del keys
        chunks, within = np.divmod(picks, self.chunk_rows)
        rows: dict[str, np.ndarray] = {}
        for chunk in np.unique(chunks):
            chosen = np.flatnonzero(chunks == chunk)
            for name, values in self.chunk(int(chunk)).items():
                shape = (len(picks), *values.shape[1:])
                rows.setdefault(name, np.empty(shape, values.dtype))[chosen] = values[
                    within[chosen]
                ]
        return rows

    def chunk(self, number: int) -> dict[str, np.ndarray]:
        """The arrays of a chunk as memory maps, made where they are not there."""
        kind = f"{self.kind}-{self._digest}-{self.seed}-{self.chunk_rows}-{number}"
        make = functools.partial(self._write, number)
        with self.locks[number % _NUM_LOCKS]:
            return kept.arrays(kind, [], make, self._size(number) * self._row_bytes)

    def num_bytes_left(self) -> int:
        """About how much the chunks take that are not there yet."""
        left = 0
        for start in range(0, self.num_examples, self.chunk_rows):
            try:
                with kept.only_looking():
                    self.chunk(start // self.chunk_rows)
            except kept.NotKept as error:
                left += error.num_bytes
        return left

    def index(self) -> Iterator[int]:
        """Makes all chunks, one at each step, and yields the examples done so far."""
        for start in range(0, self.num_examples, self.chunk_rows):
            self.chunk(start // self.chunk_rows)
            yield min(start + self.chunk_rows, self.num_examples)

    @functools.cached_property
    def _row_bytes(self) -> int:
        rows = self.source.rows(np.zeros(1, np.int64), RowKeys(self.seed, Stream.EVAL, step=0))
        return sum(values.nbytes for values in rows.values())

    def _size(self, number: int) -> int:
        return min(self.chunk_rows, self.num_examples - number * self.chunk_rows)

    def _picks(self, number: int) -> np.ndarray:
        """The source's own numbers of a chunk's examples, which may be anything."""
        return self.source.eval_plan(self.chunk_rows).picks(number)[: self._size(number)]

    def _write(self, number: int, folder: Path) -> None:
        keys = RowKeys(self.seed, Stream.EVAL, step=0, first_row=number * self.chunk_rows)
        for name, values in self.source.rows(self._picks(number), keys).items():
            np.save(folder / f"{name}.npy", values)


def of_reader(reader: Any, folder: Path, split: str) -> Source:
    """A split as trials read it, by a family's `full.py`.

    Where that module has KEPT, what is evaluated is processed once and kept: KEPT is (name and
    version of the processing, rows of a chunk). Raises DataError where files are missing.
    """
    found = reader.source(folder, split)
    how = getattr(reader, "KEPT", None)
    if how is None or split == "train":
        return found
    kind, chunk_rows = how
    return Processed(found, f"{kind}-{split}", chunk_rows)
