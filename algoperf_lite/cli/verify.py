"""`algoperf-lite verify`: does a pack hold what it says?"""

import argparse
from pathlib import Path

from algoperf_lite.cli.flag_types import at_least, optional

HELP = "does a pack hold what it says?"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags. One that is not given stays out of what is parsed; `api.verify` has
    defaults."""
    parser.usage = "%(prog)s PACK [flags]"
    parser.add_argument("pack", metavar="PACK", type=Path, help="the .zip file")
    parser.add_argument("--json", action="store_true", help="one object instead of text")
    add = optional(parser)
    add("--benchmark", metavar="B", help="name or file; default: the pack's")
    add(
        "--steps",
        type=at_least(1),
        metavar="N",
        help="train drawn trials again for N steps: this runs the code of their submissions",
    )
    add(
        "--probe",
        action="store_true",
        help="run each submission on tiny workloads too, as `check` does",
    )
    add(
        "--held_out_seed",
        type=at_least(0),
        metavar="N",
        help="train each submission on a variant that N draws, which nobody knew",
    )
    add("--trials", type=at_least(1), metavar="K", help="how many; default: 2")
    add("--seconds", type=at_least(1), metavar="S", help="begin no other after so many")
    add("--rng_seed", type=at_least(0), metavar="N", help="draw the same again; default: by chance")


def run(args: argparse.Namespace) -> int:
    """Prints the verdict; 1 where anything does not fit."""
    import dataclasses
    import json

    from algoperf_lite import api

    options = dict(vars(args))
    as_json = options.pop("json")
    found = api.verify(options.pop("pack"), **options)
    if as_json:
        print(json.dumps(dataclasses.asdict(found), indent=1))
        return int(found.level is None)
    from rich.console import Console

    # A stranger's words are text, whatever they look like.
    def say(line: str) -> None:
        Console().print(line, highlight=False, soft_wrap=True, markup=False)

    for problem in found.rows:
        say(f"{problem.kind}  {problem.place}: {problem.what}")
    for line in found.confirmed:
        say(f"confirmed: {line}")
    for line in found.remarks:
        say(f"remark: {line}")
    for row in found.scores:
        say(f"score on {found.benchmark}, alone: {row.submission} {row.score:.4f}")
    if found.replayed:
        say(f"drawn by --rng_seed={found.rng_seed}")
    say(_end(found.level, len(found.rows)))
    return int(found.level is None)


def _end(level: str | None, num_problems: int) -> str:
    from algoperf_lite.experiment.records.verdict import LEVELS

    if level is None:
        return f"not confirmed: {num_problems} problem{'s' if num_problems > 1 else ''}"
    return f"level {level}, {LEVELS[level]}"
