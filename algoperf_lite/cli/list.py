"""`algoperf-lite list`: what there is."""

import argparse
import json
import shutil
import sys
import textwrap

HELP = "what there is"
_NARROW = 60  # columns, below which a name has a line of its own


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add = parser.add_argument
    add("kind", nargs="?", help="workloads, submissions, schedules or benchmarks")
    add("--json", action="store_true", help="one object instead of text")


def run(args: argparse.Namespace) -> int:
    """Prints names, each with a line on what it is."""
    from algoperf_lite import api

    found: dict[str, dict[str, str]] = {}
    for row in api.list(args.kind).rows:
        found.setdefault(row.kind, {})[row.name] = row.line
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    for kind, lines in found.items():
        print(kind)
        for name, line in lines.items():
            print(_row(name, line))
    return 0


def _row(name: str, line: str) -> str:
    """A name and a line about it, within the terminal; on one line where there is none."""
    # Scripts and grep want a line per name.
    if not sys.stdout.isatty():
        return f"  {name:<18} {line}"
    width = shutil.get_terminal_size().columns
    if width < _NARROW:
        indent = " " * 4
        return f"  {name}\n" + textwrap.fill(
            line, width, initial_indent=indent, subsequent_indent=indent
        )
    return textwrap.fill(f"  {name:<18} {line}", width, subsequent_indent=" " * 21)
