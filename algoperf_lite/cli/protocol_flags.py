"""The flags that `score` and `report` share: how logs become times and scores."""

import argparse
from pathlib import Path

from algoperf_lite.cli.flag_types import at_least, one_of, optional


def add(parser: argparse.ArgumentParser) -> None:
    """Adds them. A flag that is not given stays out of what is parsed; `api.score` has defaults."""
    parser.usage = "%(prog)s DIR [flags]"  # all of them would fill a screen
    parser.add_argument(
        "directory",
        metavar="DIR",
        nargs="+",
        type=Path,
        help="of an experiment, or of AlgoPerf's logs; or a pack; several count as one",
    )
    add_scoring(parser)


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """Adds them without the directory."""
    add = optional(parser.add_argument_group("how to score"))
    add("--benchmark", metavar="B", help="name or file; default: the experiment's, else lite")
    add(
        "--tuning_ruleset",
        type=one_of("ruleset", ("external", "self")),
        metavar="R",
        help="external or self; default: the experiment's, else external",
    )
    add(
        "--mode",
        type=one_of("mode", ("exact", "official")),
        metavar="M",
        help="exact (default), or official: as AlgoPerf's scorer computes it",
    )
    add(
        "--by",
        type=one_of("unit", ("time", "steps")),
        metavar="U",
        help="time (default) or steps",
    )
    add(
        "--reference",
        metavar="NAME",
        help="submission that speedups are against; default: the benchmark's",
    )
    add(
        "--against",
        metavar="NAME",
        help="submission that all others are compared with, in words",
    )
    add(
        "--held_out_seed",
        type=at_least(0),
        metavar="N",
        help="let the variants that this seed draws gate their families",
    )
    # Comparing what does not compare must be asked for by name.
    add("--strict", action="store_true", help="insist on the ruleset's studies and trials")
    add("--only_present", action="store_true", help="leave out workloads that occur in no log")
    add("--allow_mixed_hardware", action="store_true", help="compare times of unlike machines")
    add("--allow_mixed_timing", action="store_true", help="compare replayed and measured times")
