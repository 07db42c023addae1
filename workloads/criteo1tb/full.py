"""Criteo's click log of 24 days as AlgoPerf splits it: files of tab-separated text, 1.1 TB.

Files `day_0_00` to `day_23_35` hold 5,000,000 lines each, the last of a day fewer. Days 0 to 22
train; the first 19 files of day 23 test, the others validate.
"""

import dataclasses
import functools
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from algoperf_lite.data import folders
from algoperf_lite.data.checks import Check
from algoperf_lite.data.keys import RowKeys
from algoperf_lite.data.look import Look, Text
from algoperf_lite.data.plan import Plan
from algoperf_lite.data.source import DataError, Source, fingerprint_of_files
from workloads.criteo1tb import click_rows, lines
from workloads.criteo1tb.file_order import PartOfPermutedFiles, PermutedFiles

# Of AlgoPerf's files.
NUM_EXAMPLES = {"train": 4_195_197_692, "validation": 83_274_637, "test": 95_000_000}
EVAL_TRAIN_EXAMPLES = 636 * 131_072  # whole evaluation batches as many as of validation

KEPT = ("criteo1tb-2", 131_072)  # see `LinenWorkload.source`

_NAME = re.compile(r"day_(\d{1,2})_(\d{2})")
_NUM_DAYS = 24
_TEST_FILES = 19  # of the last day
_LINES_CHECKED = 1 << 16  # together


def source(folder: Path, split: str) -> "ClickLog":
    """The rows of "train", "eval_train", "validation" or "test".

    Args:
      folder: the data set's own, or the root that has it as `criteo1tb`.
    Raises DataError where a file is missing.
    """
    folder = folders.own(folder, "criteo1tb")
    folders.require(folder, missing(folder))
    files = _files(folder)
    last_day = [files[key] for key in sorted(files) if key[0] == _NUM_DAYS - 1]
    parts = {
        "train": [files[key] for key in sorted(files) if key[0] < _NUM_DAYS - 1],
        "test": last_day[:_TEST_FILES],
        "validation": last_day[_TEST_FILES:],
    }
    is_part = split == "eval_train"
    chosen = tuple(parts["train" if is_part else split])
    # Only the last file of a day is shorter than the others, so only those must be counted.
    ends = frozenset(path for key, path in files.items() if (key[0], key[1] + 1) not in files)
    return ClickLog(chosen, ends & set(chosen), EVAL_TRAIN_EXAMPLES if is_part else None)


def missing(folder: Path) -> list[str]:
    """What is not there, in words."""
    folder = folders.own(folder, "criteo1tb")
    files = _files(folder)
    found = []
    for day in range(_NUM_DAYS):
        parts = {part for of_day, part in files if of_day == day}
        # The last day's 20th file is the first of validation.
        expected = max(parts, default=0) + 1 if day < _NUM_DAYS - 1 else _TEST_FILES + 1
        found += [f"day_{day}_{part:02d}" for part in range(expected) if part not in parts]
    return found


def checks(folder: Path, split: str) -> Iterator[Check]:
    """What parses every line of a split's files. Raises DataError where one is missing."""
    log = source(folder, split)
    for which, path in enumerate(log.files):
        yield Check(path, functools.partial(log.damages, which))


def _files(folder: Path) -> dict[tuple[int, int], Path]:
    """Files by (day, part); whole days, which may lie beside them, have another name."""
    if not folder.is_dir():
        return {}
    matches = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return {(int(m[1]), int(m[2])): path for m, path in matches if m}


@dataclasses.dataclass(frozen=True)
class ClickLog(Source):
    """Rows of some files of the log, found by line number.

    'inputs' (rows, 39) float32: 13 counts as written, 26 ids, both as AlgoPerf has them (in
    float32 ids above 2^24 lose their last bits, there as well); 'targets' (rows,) float32.

    Attributes:
      files: in the order in which examples are numbered.
      shorter: those that may have fewer lines than the others.
      eval_examples: an evaluation is over so many lines of files in a fixed random order; None:
        over all, in their order.
    """

    files: tuple[Path, ...]
    shorter: frozenset[Path]
    eval_examples: int | None = None
    # Threads come to a new file together, and one of them is enough to find its lines.
    lock: threading.Lock = dataclasses.field(
        default_factory=threading.Lock, compare=False, repr=False
    )

    @functools.cached_property
    def counts(self) -> tuple[int, ...]:
        """Lines of each file. Those of one full file and of the shorter ones are counted."""
        full = next((path for path in self.files if path not in self.shorter), None)
        usual = lines.index(full).num_lines if full else 0
        return tuple(
            lines.index(path).num_lines if path in self.shorter else usual for path in self.files
        )

    @property
    def num_examples(self) -> int:
        """Lines of an evaluation; for training, of all files."""
        total = sum(self.counts)
        return total if self.eval_examples is None else min(total, self.eval_examples)

    def fingerprint(self) -> str:
        """A hash of the files' names, sizes and ends."""
        return fingerprint_of_files(self.files, self.files[0].parent)

    def plan(self, seed: int, batch_size: int) -> Plan:
        """Whole files in random order."""
        return PermutedFiles(self.counts, batch_size, seed)

    def eval_plan(self, batch_size: int) -> Plan:
        """All lines in order, or the chosen part of the training lines."""
        if self.eval_examples is None:
            return super().eval_plan(batch_size)
        return PartOfPermutedFiles(self.counts, self.num_examples, batch_size)

    def part(self, size: int) -> "ClickLog":
        """Lines of files in a fixed random order: those of a batch lie together."""
        return dataclasses.replace(self, eval_examples=min(size, self.num_examples))

    def index(self) -> Iterator[int]:
        """Finds lines in all files, a second each, where a run does so file by file."""
        for path, done in zip(self.files, np.cumsum(self.counts), strict=True):
            lines.index(path)
            yield int(done)

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """Lines read and hashed; nothing is random. Neighbouring picks are read together."""
        del keys
        which, line = self._places(picks)
        borders = np.flatnonzero((np.diff(line) != 1) | (np.diff(which) != 0)) + 1
        starts = [0, *borders, len(picks)]
        runs = [
            self._run(int(which[start]), int(line[start]), int(stop - start))
            for start, stop in zip(starts, starts[1:], strict=False)
        ]
        found = np.concatenate(runs)
        return {
            "inputs": found[:, 1:].astype(np.float32),
            "targets": found[:, 0].astype(np.float32),
        }

    def looks(self, picks: np.ndarray, keys: RowKeys) -> Iterator[Look]:
        """Each field as it is written, and beside it the number that the model gets."""
        rows = self.rows(picks, keys)
        for row, (which, line) in enumerate(zip(*self._places(picks), strict=True)):
            path, number = self.files[which], int(line)
            fields = lines.read(path, number, number + 1).decode().rstrip("\n").split("\t")
            numbers = [rows["targets"][row], *rows["inputs"][row]]
            table = [
                f"{name:<12} {field or '(none)':>12} {value:>12.0f}"
                for name, field, value in zip(click_rows.FIELDS, fields, numbers, strict=True)
            ]
            head = f"{'field':<12} {'stored':>12} {'model':>12}"
            yield {"row": Text([f"line {number + 1} of {path}", head, *table])}

    def _places(self, picks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which file each example is in, and its line there, from 0."""
        ends = np.cumsum(self.counts)
        which = np.searchsorted(ends, picks, side="right")
        return which, picks - (ends[which] - np.array(self.counts)[which])

    def damages(self, which: int) -> Iterator[str]:
        """Parses all lines of a file and yields a sentence for each stretch with a bad one."""
        for first in range(0, self.counts[which], _LINES_CHECKED):
            try:
                self._run(which, first, min(_LINES_CHECKED, self.counts[which] - first))
            except DataError as error:
                yield str(error)
                # Where the file is too short, each stretch would say it once more.
                if lines.index(self.files[which]).num_lines != self.counts[which]:
                    return

    def _run(self, which: int, first: int, size: int) -> np.ndarray:
        path = self.files[which]
        with self.lock:
            num_lines = lines.index(path).num_lines
        if num_lines != self.counts[which]:
            raise DataError(
                f"{path} has {num_lines} lines where the others of its size have "
                f"{self.counts[which]}; make it again from its day by `split -l`"
            )
        return click_rows.parse(lines.read(path, first, first + size), path, first)
