"""Data sets at full scale, before anything starts: where they are, and what of them is missing."""

from collections.abc import Sequence
from pathlib import Path

import workloads
from algoperf_lite.data.folders import VARIABLE
from algoperf_lite.experiment.data_sets import families

_MORE = "`algoperf-lite data status` shows what is there and what is not"


def check(names: Sequence[str], data_dir: str | None, is_here: bool = True) -> None:
    """Raises ValueError, one sentence, where data of workloads at full scale are missing.

    Args:
      data_dir: as `folders.given` has it.
      is_here: whether trials read the disks of this machine; otherwise nobody looks.
    """
    # A workload of somebody's own may read its data from elsewhere.
    known = families.names()
    asked = dict.fromkeys(map(workloads.base_of, names))
    with_reader = [family for family in asked if family in known]
    if not with_reader:
        return
    if data_dir is None:
        raise ValueError(
            "--scale=full needs AlgoPerf's data, and nobody has named their folder; give "
            f"--data_dir, or set the variable {VARIABLE}, or use --scale=lite"
        )
    if not is_here:
        return
    root = Path(data_dir)
    if not root.is_dir():
        raise ValueError(f"--data_dir={data_dir} is no folder; {_MORE}")
    absent = {}
    for family in with_reader:
        missing = families.reader(family).missing(root)
        if missing:
            absent[family] = missing
    if absent:
        raise ValueError(_sentence(absent, data_dir))


def _sentence(absent: dict[str, list[str]], data_dir: str) -> str:
    """What is missing of the first of the families, and of how many others something is."""
    [family, missing], *others = absent.items()
    files = missing[0] + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
    rest = f", and {len(others)} other workloads' data are incomplete too" if others else ""
    if len(others) == 1:
        rest = f", and so are data of {others[0][0]}"
    return f"data of {family} are missing in {data_dir}: {files}{rest}; {_MORE}"
