"""The figures of the house, for this tree and, beside it, for a commit.

    python -m tests.architecture.figures [--against REV] [--inside]

First table: the text of each package. Second: its plan, where a room is a file or folder directly
in a package, an arrow means that one room imports another, and floors are the rooms on the longest
chain of arrows. `--inside` adds the plans of the folders within.
"""

import argparse
import contextlib
import dataclasses
import io
import statistics
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.architecture import measures
from tests.architecture.sources import (
    PACKAGES,
    ROOT,
    Module,
    Sources,
    circles,
    floors,
    folders,
    room_in,
    running_back,
)

MAIN = ("algoperf_lite", "scoring", "workloads")


@dataclasses.dataclass(frozen=True)
class Plan:
    """A package's imports, one folder deep."""

    rooms: int
    floors: int
    arrows: int
    back: int
    circles: int


def plan(sources: Sources, package: str) -> Plan:
    """The plan of a package or of a folder in it, as a dotted name."""
    room_of = room_in(package)
    arrows = sources.arrows(package, room_of)
    rooms = {room_of(module.name) for module in sources.inside(package)} - {None}
    back = running_back(arrows)
    return Plan(len(rooms), floors(arrows), len(arrows), len(back), len(circles(arrows)))


TEXT_HEADER = (
    "files / lines",
    "median / max file",
    "> 250 lines",
    "median fn / longest",
    "fns > 40",
    "nesting max (> 3)",
    "params max (> 8)",
    "circles top (all)",
    "test : src",
    "public without docstring",
    "comments %",
    "docstr %",
    "typed %",
)
PLAN_HEADER = ("rooms", "floors", "arrows", "running back up", "circles")


def text_row(sources: Sources, packages: Sequence[str]) -> list[str]:
    """One row of the first table: the files of all `packages` together, empty ones left out."""
    modules = [m for package in packages for m in sources.inside(package) if m.text]
    lines = [measures.num_lines(module) for module in modules]
    sizes = measures.functions(modules)
    nesting, parameters = [f.nesting for f in sizes], [f.parameters for f in sizes]
    counts = measures.total(map(measures.text, modules))
    return [
        f"{len(lines)} / {sum(lines):,}",
        f"{statistics.median(lines):.0f} / {max(lines)}",
        f"{_above(lines, 250)} ({_above(lines, 250) / len(lines):.0%})",
        f"{statistics.median(f.lines for f in sizes):.0f} / {max(f.lines for f in sizes)}",
        f"{_above([f.lines for f in sizes], 40)} of {len(sizes):,}",
        f"{max(nesting)} ({_above(nesting, 3)})",
        f"{max(parameters)} ({_above(parameters, 8)})",
        " ".join(_circles_of_modules(sources, packages)),
        f"{_lines_of_tests(modules[0], packages) / sum(lines):.2f}",
        f"{counts.undocumented} of {counts.public:,}",
        f"{100 * counts.comments / counts.code:.1f}",
        f"{100 * counts.docstrings / counts.code:.0f}",
        f"{100 * (1 - counts.untyped / counts.arguments):.0f}",
    ]


def _above(numbers: Sequence[int], limit: int) -> int:
    return sum(number > limit for number in numbers)


def _circles_of_modules(sources: Sources, packages: Sequence[str]) -> list[str]:
    """Circles of files by imports at the top of a file, then by all imports in brackets."""
    top, every = set(), set()
    for package in packages:
        for module in sources.inside(package):
            for one in sources.imports(module):
                if one.target in sources.modules and one.target != module.name:
                    every.add((module.name, one.target))
                    if one.place == "top":
                        top.add((module.name, one.target))
    return [str(len(circles(top))), f"({len(circles(every))})"]


def _lines_of_tests(module: Module, packages: Sequence[str]) -> int:
    """Lines of the tests of one package, or of all tests where several packages are asked for."""
    folder = module.root / "tests" / (packages[0] if len(packages) == 1 else "")
    return sum(len(path.read_text().splitlines()) for path in folder.rglob("*.py"))


@contextlib.contextmanager
def tree_at(revision: str) -> Iterator[Path]:
    """The files of a commit in a folder that is gone afterwards."""
    archive = subprocess.run(
        ["git", "archive", "--format=tar", revision], cwd=ROOT, capture_output=True, check=True
    )
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder, filter="data")
        yield Path(folder)


def _table(title: str, header: Sequence[str], rows: Sequence[tuple[str, Sequence[object]]]) -> None:
    print(f"\n{title}\n")
    print(f"| | {' | '.join(header)} |\n|{'---|' * (len(header) + 1)}")
    for name, cells in rows:
        print(f"| {name} | {' | '.join(map(str, cells))} |")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.architecture.figures")
    parser.add_argument("--against", metavar="REV", help="a commit to stand beside this tree")
    parser.add_argument("--inside", action="store_true", help="the plans of folders as well")
    arguments = parser.parse_args(argv)
    with contextlib.ExitStack() as stack:
        trees = {"": Sources()}
        if arguments.against:
            trees[f" ({arguments.against})"] = Sources(
                stack.enter_context(tree_at(arguments.against))
            )
        texts, plans = [], []
        for packages in (PACKAGES, *((package,) for package in MAIN)):
            name = "all" if len(packages) > 1 else packages[0]
            texts += [(name + when, text_row(tree, packages)) for when, tree in trees.items()]
        for package in MAIN:
            for when, tree in trees.items():
                inner = folders(tree, package) if arguments.inside else [package]
                plans += [(f + when, dataclasses.astuple(plan(tree, f))) for f in inner]
        _table("Text", TEXT_HEADER, texts)
        _table("Plan", PLAN_HEADER, plans)


if __name__ == "__main__":
    main()
