"""`algoperf-lite data`: real data on this machine's disks."""

import argparse
import contextlib
import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from algoperf_lite.cli import data_tables
from algoperf_lite.cli.flag_types import at_least, listed

HELP = "real data: what is there, make indices, verify, look at it, download"
_ALL = (None, ["all"])  # what --workloads is where nobody has named any
_LINE_EVERY_S = 10.0  # where there is no terminal to draw a bar on


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the actions and their flags."""
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    status = actions.add_parser("status", help="what is there, and what is missing, in words")
    status.add_argument("--measure", action="store_true", help="read some batches, for the rates")
    status.add_argument("--json", action="store_true", help="one object instead of text")
    index = actions.add_parser("index", help="make what is derived and kept ahead of a run")
    verify = actions.add_parser("verify", help="read everything once, with all check sums")
    verify.add_argument("--num_workers", type=at_least(1), metavar="N", help="default: all cores")
    sample = actions.add_parser("sample", help="write examples as pictures, sounds and texts")
    sample.add_argument("--output", type=Path, default=Path("samples"), metavar="DIR",
                        help="default: samples")  # fmt: skip
    sample.add_argument("--splits", type=listed, metavar="A,B", help="default: all that are there")
    sample.add_argument("--num_examples", type=at_least(1), default=4, metavar="N",
                        help="of each split; default: 4")  # fmt: skip
    sample.add_argument("--rng_seed", type=at_least(0), default=0, metavar="N",
                        help="of the trial whose first batch is shown; default: 0")  # fmt: skip
    bench = actions.add_parser("bench", help="is reading or training the bottleneck here?")
    bench.add_argument("--num_workers", type=at_least(1), metavar="N",
                       help="most threads, and processes; default: all cores")  # fmt: skip
    bench.add_argument("--seconds", type=at_least(1), default=2, metavar="N",
                       help="of each measurement; default: 2")  # fmt: skip
    bench.add_argument("--json", action="store_true", help="one object instead of text")
    prepare = actions.add_parser("prepare", help="download one that needs no registration")
    prepare.add_argument("name", help="mnist, ogbg, dev-clean, ...; a wrong name shows all")
    prepare.add_argument("--mirror", metavar="URL", help="a server's folder with the same files")
    for one in (status, index, verify, sample, bench, prepare):
        one.add_argument("--data_dir", metavar="DIR", help="default: ALGOPERF_LITE_DATA")
    for one in (status, index, verify, sample, bench):
        one.add_argument("--workloads", type=listed, metavar="A,B", help="names; default: all")


def run(args: argparse.Namespace) -> int:
    """Does what the action says; 1 where `verify` finds damage."""
    actions = {
        "status": _status, "index": _index, "verify": _verify, "sample": _sample, "bench": _bench,
        "prepare": _prepare,
    }  # fmt: skip
    return actions[args.action](args)


def _status(args: argparse.Namespace) -> int:
    from algoperf_lite.experiment.data_sets import families, status

    data_sets = families.find(families.root(args.data_dir), args.workloads)
    rows = [row for one in data_sets for row in status.look(one, args.measure)]
    if args.json:
        found = {row.family: dataclasses.asdict(row) | {"cores": row.cores} for row in rows}
        print(json.dumps(found, indent=1))
    else:
        data_tables.print_status(rows)
    return 0


def _index(args: argparse.Namespace) -> int:
    from algoperf_lite.experiment.data_sets import families, indexing

    data_sets = _there(args)
    num_bytes = indexing.check_room(data_sets)
    print(f"about {num_bytes / 1e9:.2f} GB are to be written, for which there is room")
    with _bars() as bars:
        for at in indexing.make(data_sets):
            bars.show(f"{at.data_set} {at.split}", at.done, at.total, "examples")
    print(f"everything is made that is kept of {families.listed(data_sets)}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from algoperf_lite.experiment.data_sets import families, verify

    data_sets = _there(args)
    total, done, damages = verify.num_bytes(data_sets), 0, 0
    with _bars() as bars:
        for found in verify.verify(data_sets, args.num_workers or os.cpu_count() or 1):
            done += found.num_bytes
            damages += len(found.damages)
            for sentence in found.damages:
                bars.say(sentence)
            bars.show("read", done, total)
    if damages:
        print(f"{damages} faults were found")
        return 1
    print(f"{families.listed(data_sets)}: {total / 1e9:.2f} GB are as they should be")
    return 0


def _sample(args: argparse.Namespace) -> int:
    from algoperf_lite.experiment.data_sets import sample

    chosen = [(one, sample.check_splits(one, args.splits)) for one in _there(args)]
    for one, splits in chosen:
        for split in splits:
            if not sample.is_indexed(one, split):
                print(f"making what is kept of {one.name}, {split}, which takes some time once")
            for family in one.families:
                how = split, args.num_examples, args.rng_seed, args.output
                files = sample.write(family, one.root, *how)
                print(f"{family}: {len(files)} files in {args.output / family / split}")
    return 0


def _bench(args: argparse.Namespace) -> int:
    from rich.console import Console

    from algoperf_lite.experiment.data_sets import bench
    from algoperf_lite.machine import environment

    most = args.num_workers or len(environment.available_cores())
    how = bench.counts(most), args.seconds
    console, found = Console(), []
    for family, root in [(name, one.root) for one in _there(args) for name in one.families]:
        try:
            with console.status("") as status:  # nothing where there is no terminal
                found.append(bench.measure(family, root, *how, status.update))
        except ValueError as error:
            # One that nobody has named must not keep the others from being measured.
            if args.workloads not in _ALL:
                raise
            print(error, file=sys.stderr)
            continue
        if not args.json:
            data_tables.print_bench(found[-1])
    if args.json:
        rows = {one.family: dataclasses.asdict(one) | {"verdict": one.verdict()} for one in found}
        print(json.dumps(rows, indent=1))
    return 0


def _prepare(args: argparse.Namespace) -> int:
    from algoperf_lite.experiment.data_sets import families, prepare

    with _bars() as bars:
        root = families.root_to_fill(args.data_dir)
        folder, was_there = prepare.prepare(args.name, root, args.mirror, bars.show)
    print(f"{args.name} was in {folder} already" if was_there else f"{args.name} is in {folder}")
    return 0


def _there(args: argparse.Namespace) -> list[Any]:
    """The data sets of which a split is there.

    Raises ValueError where one that was asked for by name is not, or there is none.
    """
    from algoperf_lite.experiment.data_sets import families

    root = families.root(args.data_dir)
    found = families.find(root, args.workloads)
    absent = [one for one in found if not one.splits]
    if absent and (args.workloads not in _ALL or absent == found):
        words = "; ".join(absent[0].reader.missing(root)[: data_tables.SHOWN])
        raise ValueError(f"{root} has no data of {absent[0].name}: missing {words}")
    return [one for one in found if one.splits]


@contextlib.contextmanager
def _bars() -> Iterator["_Bars"]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        yield _Bars(progress)


class _Bars:
    """A bar for each thing that goes on; lines now and then where there is no terminal."""

    def __init__(self, progress: Any):
        self._progress = progress
        self._tasks: dict[str, Any] = {}
        self._said = time.monotonic()

    def say(self, line: str) -> None:
        """Prints a line for good."""
        self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def show(self, what: str, done: int, total: int, unit: str = "bytes") -> None:
        """Moves the bar of `what`."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)
        is_due = time.monotonic() - self._said > _LINE_EVERY_S or done == total
        if not self._progress.console.is_terminal and is_due:
            self._said = time.monotonic()
            self.say(f"{what}: {done:,} of {total:,} {unit}")
