"""Examples of real data to look at: as they are stored, and as the model gets them.

Those of training are what a trial of the same seed would see in its first batch of AlgoPerf's
size; those of other splits lie evenly in the split.
"""

from collections.abc import Iterator
from pathlib import Path

from algoperf_lite import did_you_mean
from algoperf_lite.data import kept
from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.look import Look
from algoperf_lite.data.plan import Plan
from algoperf_lite.data.source import DataError, Source
from algoperf_lite.experiment.data_sets import rates
from algoperf_lite.experiment.data_sets.families import DataSet, reader


def check_splits(data_set: DataSet, given: list[str] | None) -> list[str]:
    """The splits that are asked for; None for all that are there.

    Raises ValueError for one that the data set does not have at all, or not on this disk.
    """
    if given is None:
        return list(data_set.splits)
    for split in given:
        did_you_mean.require(split, list(data_set.reader.NUM_EXAMPLES), f"split of {data_set.name}")
        if split not in data_set.splits:
            raise DataError(
                f"{data_set.root} does not have the split {split!r} of {data_set.name}, but "
                f"{', '.join(data_set.splits)}; `algoperf-lite data status` says what is missing"
            )
    return given


def is_indexed(data_set: DataSet, split: str) -> bool:
    """Whether all that is derived from the files of a split and kept is there already."""
    return kept.is_made(data_set.reader.source(data_set.root, split))


def write(family: str, root: Path, split: str, number: int, seed: int, output: Path) -> list[Path]:
    """Writes what shows `number` examples of a family's split, and returns the files' names.

    Args:
      seed: of the trial whose first batch is shown.
      output: the files are `FAMILY/SPLIT/NUMBER_PART` in it, and replace those of these names.
    Raises DataError where data are damaged, and OSError where nothing can be written.
    """
    folder = output / family / split
    folder.mkdir(parents=True, exist_ok=True)
    source = reader(family).source(root, split)
    stream = Stream.TRAIN if split == "train" else Stream.EVAL
    return [
        shown.save(folder / f"{i}_{part}")
        for i, look in enumerate(_looks(source, family, stream, number, seed))
        for part, shown in look.items()
    ]


def _looks(source: Source, family: str, stream: Stream, number: int, seed: int) -> Iterator[Look]:
    size = rates.batch_size(family, source)
    plan = source.plan(seed, size) if stream is Stream.TRAIN else source.eval_plan(size)
    for t, row in _places(plan, number):
        yield from source.looks(plan.picks(t)[row : row + 1], RowKeys(seed, stream, t, row))


def _places(plan: Plan, number: int) -> list[tuple[int, int]]:
    """Batches and rows in them: the first ones of training, or some that lie evenly in a pass."""
    size = len(plan.picks(0))
    if plan.num_batches is None:
        return [(0, row) for row in range(min(number, size))]
    last = plan.num_batches - 1
    # What fills the last batch up lies behind its examples.
    total = last * size + int(plan.weights(last).sum())
    number = min(number, total)
    return [divmod(i * total // number, size) for i in range(number)]
