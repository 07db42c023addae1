"""Tables of `algoperf-lite data`: what is there, and how fast it is read."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from algoperf_lite.experiment.data_sets.bench import Bench
    from algoperf_lite.experiment.data_sets.status import Status

SHOWN = 3  # missing files of a data set
_COLUMNS = 150  # of a table where no terminal says how wide it is


def print_status(rows: list["Status"]) -> None:
    """A row for each family, and below them what is missing."""
    from rich.table import Table

    console = _console()
    table = Table(box=None, pad_edge=False)
    for name in ("workload", "data", "examples", "GB", "index"):
        table.add_column(name)
    for name in ("needs a second:\n4 x A100", "\nhere", "a core\nreads", "\ncores"):
        table.add_column(name, justify="right")
    for row in rows:
        data = "there" if not row.missing else "in parts" if row.found else "missing"
        gigabytes = "" if row.num_bytes is None else f"{row.num_bytes / 1e9:.2f}"
        rates = map(_number, (row.needed, row.needed_here, row.per_core, row.cores))
        table.add_row(row.family, data, _examples(row), gigabytes, row.index or "", *rates)
    console.print(table, highlight=False)
    # Families that share a data set lack the same.
    notes: dict[str, list[str]] = {}
    for row in rows:
        for note in filter(None, (_lacking(row), row.remark)):
            notes.setdefault(note, []).append(row.family)
    for note, names in notes.items():
        print(f"{', '.join(names)}: {note}")


def _lacking(row: "Status") -> str:
    """What is not there, in words, and whether a command gets it; nothing where all is there."""
    from algoperf_lite.experiment.data_sets.publications import PUBLICATIONS

    if not row.missing:
        return ""
    more = f"; and {len(row.missing) - SHOWN} more" * (len(row.missing) > SHOWN)
    hint = f"; `algoperf-lite data prepare {row.family}` downloads it"
    return f"missing: {'; '.join(row.missing[:SHOWN])}{more}{hint * (row.family in PUBLICATIONS)}"


def _examples(row: "Status") -> str:
    """Examples of each split, and how many there should be where they are not as many."""
    words = []
    for split, found in row.found.items():
        published = row.published[split]
        words.append(f"{split} {found:,}" + f" of {published:,}" * (found != published))
    return "\n".join(words)


def _number(rate: float | None) -> str:
    from algoperf_lite.experiment.data_sets import bench

    return "" if rate is None else bench.number(rate)


def print_bench(found: "Bench") -> None:
    """A row for each number of workers, and below them what training takes, and the verdict."""
    from rich.table import Table

    if found.threads:
        table = Table(box=None, pad_edge=False)
        names = ("workers", "threads:\nexamples/s", "cores\nbusy", "processes:\nexamples/s")
        for name in (*names, "cores\nbusy"):
            table.add_column(name, justify="right")
        for threads, processes in zip(found.threads, found.processes, strict=True):
            cells = [str(threads.workers)]
            for pace in (threads, processes):
                cells += [_number(pace.rate), f"{pace.cores:.1f}"]
            table.add_row(*cells)
        _console().print(table, highlight=False)
        needs = {"AlgoPerf on 4 x A100": found.needed, "here, as calibrated": found.needed_here}
        for whose, rate in needs.items():
            if rate is not None:
                print(f"training takes {_number(rate)} examples/s: {whose}")
    print(found.verdict())


def _console() -> Any:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _COLUMNS)
