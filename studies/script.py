"""The command line of every study: its flags, and --smoke, which makes it small enough to try."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite.cli import flag_types, signals

AddFlags = Callable[[argparse.ArgumentParser], None]
SMOKE_FOLDER = Path("runs") / "smoke"  # results of --smoke never replace those of a real run


def main(
    doc: str,
    add_flags: AddFlags,
    run: Callable[[argparse.Namespace], None],
    smoke: Mapping[str, Any],
) -> None:
    """Runs a script with the flags of the command line; see `parse`.

    A ValueError is the user's: it is one sentence on stderr, and the exit code is 2.
    """
    arguments = parse(doc, add_flags, smoke, sys.argv[1:])
    try:
        run(arguments)
        sys.stdout.flush()  # here, where it is known what to do if nobody reads
    except BrokenPipeError:
        sys.exit(signals.nobody_reads())
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def parse(
    doc: str, add_flags: AddFlags, smoke: Mapping[str, Any], argv: Sequence[str]
) -> argparse.Namespace:
    """The values of flags; with --smoke those of `smoke`, whatever else was given.

    So a command that a document quotes can be tried by putting --smoke behind it.
    """
    # A flag that is cut short would keep its meaning only until another one begins alike.
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0], allow_abbrev=False)
    add_flags(parser)
    parser.add_argument("--smoke", action="store_true", help="as small as it can be, to try it")
    arguments = parser.parse_args(argv)
    if arguments.smoke:
        unknown = smoke.keys() - vars(arguments).keys()
        assert not unknown, f"no flag for {unknown}"
        vars(arguments).update(smoke)
    return arguments


def listed(convert: Callable[[str], Any] = str) -> Callable[[str], list[Any]]:
    """The type of a flag that takes values separated by commas, each made by `convert`."""

    def values(text: str) -> list[Any]:
        return [convert(part) for part in flag_types.listed(text)]

    values.__name__ = f"list of {convert.__name__}"  # argparse says it where a value is none
    return values
