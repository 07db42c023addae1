"""The flags of `run` that compare runs of several lengths."""

import argparse
from collections.abc import Callable
from typing import Any

from algoperf_lite.cli import flag_types


def add(add_argument: Callable[..., Any]) -> None:
    """Adds them."""
    add_argument(
        "--budgets",
        type=flag_types.shares,
        metavar="A,B",
        help="parts of the step hint, each the horizon of a run of its own: '0.25,0.5,1'",
    )
    add_argument(
        "--branch",
        action=argparse.BooleanOptionalAction,
        help="default: yes; steps that budgets have in common, those before a cooldown, are made "
        "once",
    )
    # Three values: what is not said depends on --budgets.
    add_argument(
        "--stop_at_target",
        action=argparse.BooleanOptionalAction,
        help="default: yes, but not with --budgets, where the end of a run is what is compared",
    )
