"""Families with real data: where they look for them, and which of them share a data set."""

import dataclasses
import functools
import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import workloads
from algoperf_lite import did_you_mean
from algoperf_lite.data import folders
from algoperf_lite.data.checks import Check
from algoperf_lite.data.source import DataError, Source

_WORKLOADS = Path(workloads.__file__).parent


class Reader(Protocol):
    """What a family's `full.py` has; `num_found` may be left out."""

    NUM_EXAMPLES: Mapping[str, int]  # of each split that AlgoPerf has, as published

    def source(self, folder: Path, split: str) -> Source:
        """The examples of a split. Raises DataError where files are missing."""

    def missing(self, folder: Path) -> list[str]:
        """What is not there, in words."""

    def checks(self, folder: Path, split: str) -> Iterator[Check]:
        """What reads each file of a split, whole. Raises DataError where one is missing."""

    def num_found(self, folder: Path, split: str) -> int:
        """Examples of a split in the sense of NUM_EXAMPLES, where a source counts others."""


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set, and who reads it.

    Attributes:
      families: workloads that read it, all in the same way.
      reader: the `full.py` of the first.
      root: the folder that the user named.
    """

    families: tuple[str, ...]
    reader: Reader
    root: Path

    @property
    def name(self) -> str:
        """The families' names."""
        return ", ".join(self.families)

    @functools.cached_property
    def splits(self) -> tuple[str, ...]:
        """Those of AlgoPerf's splits whose files are there."""
        return tuple(split for split in self.reader.NUM_EXAMPLES if self._has(split))

    def _has(self, split: str) -> bool:
        try:
            # Files are looked for, and none is read.
            next(iter(self.reader.checks(self.root, split)), None)
        except DataError:
            return False
        return True

    def num_found(self, split: str) -> int:
        """Examples of a split on the disk. Raises DataError where they cannot be counted."""
        own = getattr(self.reader, "num_found", None)
        return own(self.root, split) if own else self.reader.source(self.root, split).num_examples

    def files(self) -> Iterator[Check]:
        """All files of all splits that are there, each once: splits may share them."""
        seen: set[Path] = set()
        for split in self.splits:
            for check in self.reader.checks(self.root, split):
                if check.path not in seen:
                    seen.add(check.path)
                    yield check


def names() -> list[str]:
    """Families that have a reader of real data."""
    readers = _WORKLOADS.glob("*/full.py")
    return sorted(p.parent.name for p in readers if p.with_name("workload.py").is_file())


def root(data_dir: str | None) -> Path:
    """The folder with all data sets, or with one: `data_dir`, else what the variable says.

    Raises ValueError where neither is given, or there is no such folder.
    """
    path = _given(data_dir)
    if not path.is_dir():
        raise ValueError(f"there is no folder {path}; name the one that has the data sets")
    return path


def root_to_fill(data_dir: str | None) -> Path:
    """The same folder, made where its parent is there.

    Raises ValueError where neither is given, or not even the parent is there.
    """
    path = _given(data_dir)
    # The parent must be there: a mistyped disk would fill another one.
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent}, so {path} cannot be made in it")
    path.mkdir(exist_ok=True)
    return path


def _given(data_dir: str | None) -> Path:
    given = folders.given(data_dir)
    if given is None:
        raise ValueError(
            "no folder of data is given; use --data_dir=DIR, or set the variable "
            f"{folders.VARIABLE}"
        )
    return Path(given)


def check_names(given: Iterable[str] | None) -> list[str]:
    """The families of some names, all of them for None or "all".

    Raises ValueError with the nearest valid name.
    """
    chosen = list(given or ["all"])
    if chosen == ["all"]:
        return names()
    return [did_you_mean.require(name, names(), "workload with real data") for name in chosen]


def reader(family: str) -> Reader:
    """A family's reader, loaded: numpy and files, no JAX."""
    return importlib.import_module(f"workloads.{family}.full")


def find(folder: Path, given: Iterable[str] | None = None) -> list[DataSet]:
    """The data sets of some families, all for None; families that read one are put together.

    Raises ValueError for an unknown name.
    """
    sharing: dict[object, list[str]] = {}
    for family in check_names(given):
        # Whoever takes another family's function reads another family's files.
        sharing.setdefault(reader(family).missing, []).append(family)
    return [DataSet(tuple(some), reader(some[0]), folder) for some in sharing.values()]


def listed(data_sets: Iterable[DataSet]) -> str:
    """Their names."""
    return ", ".join(one.name for one in data_sets)
