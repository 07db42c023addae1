"""What is there of each family's real data, and whether this machine could stream it."""

import dataclasses
from collections.abc import Iterator, Mapping

from algoperf_lite.data import kept
from algoperf_lite.data.source import DataError
from algoperf_lite.experiment.data_sets import rates
from algoperf_lite.experiment.data_sets.families import DataSet, reader


@dataclasses.dataclass(frozen=True)
class Status:
    """The data of one family.

    Attributes:
      family: a workload.
      missing: what is not there, in words; nothing where all is.
      published: examples of each split that AlgoPerf's data have.
      found: those on the disk; without the splits that are missing or were never counted.
      num_bytes: of the files that are read; None where a part is missing.
      index: "made", or "to be made" before or in the first run; None where a part is missing.
      needed: examples a second that training takes on AlgoPerf's 4 x A100, where published.
      needed_here: the same on this machine, where it was calibrated.
      per_core: examples that one core reads in a second, where measured.
      remark: why something could not be found out.
    """

    family: str
    missing: list[str]
    published: Mapping[str, int]
    found: Mapping[str, int] = dataclasses.field(default_factory=dict)
    num_bytes: int | None = None
    index: str | None = None
    needed: float | None = None
    needed_here: float | None = None
    per_core: float | None = None
    remark: str = ""

    @property
    def cores(self) -> float | None:
        """Cores that reading takes while training at AlgoPerf's pace."""
        return self.needed / self.per_core if self.needed and self.per_core else None


def look(data_set: DataSet, measure: bool = False) -> Iterator[Status]:
    """The state of each family of a data set; `measure` reads some batches, where they are there.

    Nothing is made or written.
    """
    missing = data_set.reader.missing(data_set.root)
    shared = {"missing": missing, "published": data_set.reader.NUM_EXAMPLES}
    shared["found"], index, remark = _counted(data_set)
    if not missing:
        shared |= {"index": index, "num_bytes": _num_bytes(data_set)}
    for family in data_set.families:
        step = rates.ALGOPERF.get(family)
        one = Status(
            family, **shared, remark=remark,
            needed=step.examples_per_second if step else None, needed_here=rates.here(family),
        )  # fmt: skip
        yield _measured(one, data_set) if measure and "train" in data_set.splits else one


def _counted(data_set: DataSet) -> tuple[dict[str, int], str, str]:
    """Examples by split where counting is cheap, whether the index is made, and what is wrong."""
    found, index, remark = {}, "made", ""
    for split in data_set.splits:
        try:
            with kept.only_looking():
                found[split] = data_set.num_found(split)
                for _ in data_set.reader.source(data_set.root, split).index():
                    pass
        except kept.NotKept:
            index = "to be made"
        except DataError as error:
            remark = str(error)
    return found, index, remark


def _num_bytes(data_set: DataSet) -> int:
    return sum(one.path.stat().st_size for one in data_set.files() if one.path.is_file())


def _measured(status: Status, data_set: DataSet) -> Status:
    # Families that share files change the pictures in different ways.
    try:
        source = reader(status.family).source(data_set.root, "train")
        rate = rates.per_core(source, status.family)
    except kept.NotKept:
        return dataclasses.replace(status, remark="measured after `algoperf-lite data index`")
    except ValueError as error:  # damaged data, or a package that is not installed
        return dataclasses.replace(status, remark=str(error))
    return dataclasses.replace(status, per_core=rate)
