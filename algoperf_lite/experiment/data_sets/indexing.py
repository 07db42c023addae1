"""Makes ahead of a run what is derived from real data and kept: indices, tokens, packed graphs."""

import dataclasses
import shutil
from collections.abc import Iterator

from algoperf_lite.data import kept, processed
from algoperf_lite.data.processed import Processed
from algoperf_lite.data.source import DataError
from algoperf_lite.experiment.data_sets.families import DataSet


@dataclasses.dataclass(frozen=True)
class Advance:
    """How far a split is: examples done, of those that there are."""

    data_set: str
    split: str
    done: int
    total: int


def check_room(data_sets: list[DataSet]) -> int:
    """About how many bytes are to be written.

    Raises DataError where the cache's disk has not so many left, before anything is made.
    """
    needed = sum(_bytes_left(one, split) for one, split in _splits(data_sets))
    free = shutil.disk_usage(kept.disk()).free
    if needed > free:
        raise DataError(
            f"{kept.disk()} would take {needed / 1e9:.1f} GB and its disk has {free / 1e9:.1f} GB "
            "left; free some, set XDG_CACHE_HOME to a folder on a larger disk, or choose fewer "
            "--workloads"
        )
    return needed


def make(data_sets: list[DataSet]) -> Iterator[Advance]:
    """Makes all that is missing, one split after the other; what was made before is passed over.

    Raises DataError where a file is damaged or the disk is full; what is done stays.
    """
    for one, split in _splits(data_sets):
        source = processed.of_reader(one.reader, one.root, split)
        # How many there are is known at the end; before it, how many were published.
        total = one.reader.NUM_EXAMPLES.get(split)
        for done in source.index():
            if total is None or done < total:
                yield Advance(one.name, split, done, total or source.num_examples)
        yield Advance(one.name, split, source.num_examples, source.num_examples)


def _splits(data_sets: list[DataSet]) -> Iterator[tuple[DataSet, str]]:
    """What trials read, and with what is trained on the part of it that is evaluated."""
    for one in data_sets:
        for split in one.splits:
            yield one, split
            if split == "train":
                yield one, "eval_train"


def _bytes_left(data_set: DataSet, split: str) -> int:
    source = data_set.reader.source(data_set.root, split)
    try:
        with kept.only_looking():
            for _ in source.index():
                pass
        read = processed.of_reader(data_set.reader, data_set.root, split)
        return read.num_bytes_left() if isinstance(read, Processed) else 0
    except kept.NotKept as error:
        return error.num_bytes
