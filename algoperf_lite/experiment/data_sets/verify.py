"""Reads every byte of real data once and says what is damaged, and what is not as published."""

import concurrent.futures
import dataclasses
import itertools
from collections.abc import Iterator

from algoperf_lite.data.checks import Check
from algoperf_lite.data.source import DataError
from algoperf_lite.experiment.data_sets.families import DataSet

_AHEAD = 4  # files that wait for each worker: half a million tasks at once would take memory


@dataclasses.dataclass(frozen=True)
class Verified:
    """What a file, or the number of a split's examples, was found to be.

    Attributes:
      data_set: its families.
      num_bytes: that were read.
      damages: a sentence for each.
    """

    data_set: str
    num_bytes: int
    damages: tuple[str, ...]


def num_bytes(data_sets: list[DataSet]) -> int:
    """Bytes of all files that `verify` will read."""
    return sum(_size(check) for one in data_sets for check in one.files())


def verify(data_sets: list[DataSet], num_workers: int) -> Iterator[Verified]:
    """Reads all files, `num_workers` at a time, and then counts the examples of each split."""
    with concurrent.futures.ThreadPoolExecutor(num_workers) as pool:
        for one in data_sets:
            said: set[str] = set()
            for found in _read_all(one, pool, _AHEAD * num_workers):
                said.update(found.damages)
                yield found
            # Counting may come upon the same damage again.
            counted = (sentence for sentence in _miscounted(one) if sentence not in said)
            yield Verified(one.name, 0, tuple(counted))


def _read_all(
    data_set: DataSet, pool: concurrent.futures.Executor, ahead: int
) -> Iterator[Verified]:
    """What is found in each file, in the order in which they are done."""
    checks = data_set.files()
    running = {pool.submit(_read, data_set, check) for check in itertools.islice(checks, ahead)}
    try:
        while running:
            done, running = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED
            )
            fresh = itertools.islice(checks, len(done))
            running |= {pool.submit(_read, data_set, check) for check in fresh}
            yield from [future.result() for future in done]
    finally:
        # Whoever stops looking waits for the files being read and for no others.
        for future in running:
            future.cancel()


def _read(data_set: DataSet, check: Check) -> Verified:
    return Verified(data_set.name, _size(check), tuple(check.damages()))


def _size(check: Check) -> int:
    return check.path.stat().st_size if check.path.is_file() else 0


def _miscounted(data_set: DataSet) -> Iterator[str]:
    """A sentence for each split that cannot be counted or has another size, and for what is not
    there."""
    for split in data_set.splits:
        published = data_set.reader.NUM_EXAMPLES[split]
        try:
            found = data_set.num_found(split)
        except DataError as error:
            yield str(error)
            continue
        if found != published:
            yield (
                f"{data_set.name}: split {split!r} has {found:,} examples and AlgoPerf's has "
                f"{published:,}"
            )
    for words in data_set.reader.missing(data_set.root):
        yield f"{data_set.name}: missing: {words}"
