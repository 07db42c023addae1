"""Sources: the examples of a split, wherever they lie, read row by row."""

import abc
import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from algoperf_lite.data import look
from algoperf_lite.data.keys import RowKeys
from algoperf_lite.data.plan import Consecutive, Plan, Shuffled

_SAMPLE_BYTES = 64 * 1024  # of each end of a file, for a fingerprint
_PART_SEED = 0


class DataError(ValueError):
    """Data that are missing, damaged or of another form, in one sentence for the terminal.

    It names the file (and the record or byte in it), what was expected, and what to do.
    """


class Source(abc.ABC):
    """The examples of one split; frozen, cheap to build, safe in threads.

    Files are opened when rows are first asked for. Two sources of equal fields give equal rows.

    Attributes:
      is_divisible: whether rows of a batch can be read apart and put together; not where they are
        packed into arrays that all share, as graphs are.
    """

    is_divisible: ClassVar[bool] = True

    @property
    @abc.abstractmethod
    def num_examples(self) -> int:
        """Examples of the split, known without reading it: from a declared size or an index."""

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """A hash of what the split is read from; of names, sizes and ends of large files."""

    @abc.abstractmethod
    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """Examples read, decoded and, for training, randomly changed.

        Args:
          picks: int64 (rows,) or (rows, k), some neighbouring rows of a batch of a plan.
          keys: of the random numbers of these rows, should they need any.
        Returns arrays with leading axis (rows,); the names, shapes and types are the same always.
        Raises DataError where a file is damaged, with its name and the place in it.
        """

    def fill(self, out: Mapping[str, np.ndarray], picks: np.ndarray, keys: RowKeys) -> None:
        """Writes what `rows` returns into arrays of the same names, shapes and types, with anything
        in them. Default: makes the rows and copies them, which large ones can be spared.
        """
        for name, values in self.rows(picks, keys).items():
            out[name][...] = values

    def index(self) -> Iterator[int]:
        """Makes all that is derived from the files and kept, ahead of a run: it is resumed where
        it was broken off. Yields the examples covered so far. Default: what their number needs.
        """
        yield self.num_examples

    def plan(self, seed: int, batch_size: int) -> Plan:
        """The order of training. Default: a permutation per epoch."""
        return Shuffled(self.num_examples, batch_size, seed)

    def eval_plan(self, batch_size: int) -> Plan:
        """The order of an evaluation: one pass. Default: the split's own order."""
        return Consecutive(self.num_examples, batch_size)

    def in_memory(self, most: int) -> Mapping[str, np.ndarray] | None:
        """All examples as arrays whose rows are those of `rows`, if they take up to `most` bytes;
        None where they take more, or where a batch is not just its rows in the default plan's
        order. Default: None.
        """
        del most
        return None

    def looks(self, picks: np.ndarray, keys: RowKeys) -> Iterator[look.Look]:
        """How each row of `rows` looks to a person: as it is stored, and as the model gets it where
        that differs. Default: the arrays of the row in words.

        Takes and raises what `rows` does.
        """
        rows = self.rows(picks, keys)
        for row, pick in enumerate(picks.tolist()):
            lines = look.in_words({name: values[row] for name, values in rows.items()})
            yield {"model": look.Text([f"example {pick}", *lines])}

    def part(self, size: int) -> "Source":
        """So many of the examples for evaluations, a choice that is always the same; all of them
        where there are fewer."""
        return Part(self, size)


@dataclasses.dataclass(frozen=True, eq=False)
class InMemory(Source):
    """A split that lies in memory whole: arrays with one leading axis."""

    arrays: Mapping[str, np.ndarray]

    @property
    def num_examples(self) -> int:
        """Length of the axis that all arrays share."""
        return len(next(iter(self.arrays.values())))

    def fingerprint(self) -> str:
        """A hash of every byte."""
        digest = hashlib.sha256()
        for name, values in sorted(self.arrays.items()):
            digest.update(f"{name}/{values.dtype}/{values.shape}".encode())
            digest.update(np.ascontiguousarray(values))
        return digest.hexdigest()

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """The rows as they are; nothing is random."""
        del keys
        return {name: values[picks] for name, values in self.arrays.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class Part(Source):
    """So many examples of another source, the same in every trial, in the source's order.

    Attributes:
      source: has the examples.
      size: how many; all of them where it has fewer.
    """

    source: Source
    size: int

    @functools.cached_property
    def _chosen(self) -> np.ndarray:
        order = np.random.default_rng(_PART_SEED).permutation(self.source.num_examples)
        return np.sort(order[: self.size])  # as neighbours on the disk are read faster

    @property
    def num_examples(self) -> int:
        """`size`, or all of the source's."""
        return min(self.size, self.source.num_examples)

    def fingerprint(self) -> str:
        """The source's, with the size."""
        return f"{self.source.fingerprint()}-{self.size}"

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """The source's rows."""
        return self.source.rows(self._chosen[picks], keys)

    def fill(self, out: Mapping[str, np.ndarray], picks: np.ndarray, keys: RowKeys) -> None:
        """The source's rows, where they are wanted."""
        self.source.fill(out, self._chosen[picks], keys)

    def looks(self, picks: np.ndarray, keys: RowKeys) -> Iterator[look.Look]:
        """The source's looks."""
        return self.source.looks(self._chosen[picks], keys)


def fingerprint_of_files(paths: Sequence[Path], root: Path) -> str:
    """A hash of files' names below `root`, sizes and 64 KiB of each end: seconds for terabytes.

    Raises DataError where one cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(paths):
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                digest.update(f"{path.relative_to(root)}/{size}".encode())
                for start in (0, max(0, size - _SAMPLE_BYTES)):
                    file.seek(start)
                    digest.update(file.read(_SAMPLE_BYTES))
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    return digest.hexdigest()
