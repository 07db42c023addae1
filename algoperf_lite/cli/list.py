"""`algoperf-lite list`: what there is."""

import argparse
import json

HELP = "what there is"


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
            print(f"  {name:<18} {line}")
    return 0
