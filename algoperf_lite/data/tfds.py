"""Data sets that tensorflow-datasets (TFDS) prepared, found and described by their JSON files."""

import dataclasses
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from algoperf_lite.data import array_record, tfrecord
from algoperf_lite.data.checks import Check, reading
from algoperf_lite.data.source import DataError

_INFO = "dataset_info.json"
_FORMATS = ("tfrecord", "array_record")
_DEPTH = 4  # folders below the one given: <name>/<config>/<version> of a root of data sets
_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"  # TFDS's own


@dataclasses.dataclass(frozen=True)
class Shards:
    """The files of a split in their order, and the records that each should hold.

    `file_format` is 'tfrecord' or 'array_record'.
    """

    paths: tuple[Path, ...]
    counts: tuple[int, ...]
    file_format: str = "tfrecord"

    @property
    def num_examples(self) -> int:
        """Records of all files."""
        return sum(self.counts)

    def records(self) -> Iterator[tuple[str, bytes]]:
        """All records in order, each with the words that name it: ('record 3 of <path>', data).

        Raises DataError at the first that is damaged, and where a file holds another number.
        """
        for path, count in zip(self.paths, self.counts, strict=True):
            read = array_record if self.file_format == "array_record" else tfrecord
            number = -1
            for number, record in enumerate(read.read_through(path)):
                yield f"record {number} of {path}", record
            if number + 1 != count:
                raise DataError(
                    f"{path} holds {number + 1} records and its data set's description says "
                    f"{count}; copy it again, or prepare the data set anew"
                )

    def at_random(self) -> tfrecord.Records | array_record.Records:
        """All records, each found by its number; makes an index where there is none.

        Raises DataError where a file is damaged or holds another number of records.
        """
        if self.file_format == "array_record":
            return array_record.Records(self.paths, self.counts)
        return tfrecord.records(self.paths, self.counts)

    def checks(self) -> Iterator[Check]:
        """One of each file: all check sums, and the number of records."""
        for number, (path, count) in enumerate(zip(self.paths, self.counts, strict=True)):
            if self.file_format == "tfrecord":
                yield Check(path, functools.partial(tfrecord.damages, path, count))
            else:
                one = dataclasses.replace(self, paths=(path,), counts=self.counts[number:][:1])
                yield reading(path, one.records)

    def missing(self) -> list[str]:
        """The files that are not there."""
        return [str(path) for path in self.paths if not path.is_file()]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A prepared data set.

    Attributes:
      folder: holds its description and its files.
      name, version: such as 'ogbg_molpcba', '0.1.3'.
      splits: their shards by name.
    """

    folder: Path
    name: str
    version: str
    splits: Mapping[str, Shards]

    def split(self, name: str) -> Shards:
        """The shards of a split. Raises DataError where it has none or a file is missing."""
        if name not in self.splits:
            raise DataError(
                f"the data set in {self.folder} has the splits "
                f"{', '.join(sorted(self.splits)) or 'none'} and not {name!r}; prepare it anew"
            )
        shards = self.splits[name]
        missing = shards.missing()
        if missing:
            raise DataError(
                f"{len(missing)} of {len(shards.paths)} files of {self.name}'s split {name!r} are "
                f"missing, the first is {missing[0]}; copy or prepare them"
            )
        return shards


def find(root: Path, name: str, config: str | None = None) -> Prepared:
    """The data set `name` at `root` or up to four folders below it; of several versions the last.

    Args:
      config: such as 'de-en'; None takes any.
    Raises DataError where there is none, or its description cannot be read.
    """
    if not root.is_dir():
        raise DataError(f"{root} is no folder; name the one that holds the data sets")
    for depth in range(_DEPTH + 1):
        infos = [_read(path, name, config) for path in sorted(root.glob("*/" * depth + _INFO))]
        found = [prepared for prepared in infos if prepared is not None]
        # Nearest first: a root of all data sets holds half a million other files further down.
        if found:
            return max(found, key=lambda prepared: _version(prepared.version))
    wanted = name if config is None else f"{name}/{config}"
    raise DataError(
        f"no data set {wanted!r} of tensorflow-datasets is in {root}: no {_INFO} there or in the "
        "folders below names it; prepare it, or name the folder that holds it"
    )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _read(path: Path, name: str, config: str | None) -> Prepared | None:
    try:
        info = json.loads(path.read_text())
        if info["name"] != name or config not in (None, info.get("configName")):
            return None
        return _described(path.parent, info)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no description that tensorflow-datasets wrote "
            f"({type(error).__name__}: {error}); copy it again"
        ) from error


def _described(folder: Path, info: dict[str, Any]) -> Prepared:
    file_format = info.get("fileFormat", "tfrecord")  # older versions of TFDS do not say
    if file_format not in _FORMATS:
        raise DataError(
            f"{folder} holds {file_format} files and {' or '.join(_FORMATS)} was expected; "
            f"prepare the data set with file_format={_FORMATS[0]!r}"
        )
    splits = {}
    for split in info["splits"]:
        # Whole numbers of 64 bits are text in protobuf's JSON.
        counts = tuple(int(count) for count in split["shardLengths"])
        template = split.get("filepathTemplate") or _TEMPLATE
        names = [
            template.format(
                DATASET=info["name"],
                SPLIT=split["name"],
                FILEFORMAT=file_format,
                SHARD_X_OF_Y=f"{shard:05d}-of-{len(counts):05d}",
                SHARD_INDEX=f"{shard:05d}",
                NUM_SHARDS=f"{len(counts):05d}",
            )
            for shard in range(len(counts))
        ]
        splits[split["name"]] = Shards(tuple(folder / name for name in names), counts, file_format)
    return Prepared(folder, info["name"], info["version"], splits)
