"""Programs of the harness compiled for an H100 that is not there, and what XLA made of them.

    python -m tests.device_less measure              what is missing in table.json, then writes it
    python -m tests.device_less measure --anew       all of it
    python -m tests.device_less check                measures all and compares: exit code 1 if worse
    python -m tests.device_less show --before=FILE   prints the table, beside an older one

`--only='*/full/*,digits/*'` picks programs by name, `--table=FILE` another file. A measurement can
be stopped at any time and goes on where it was.
"""

import argparse
import fnmatch
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.device_less import environment, table


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    if arguments.command == "show":
        before = table.read(arguments.before) if arguments.before else None
        print(table.markdown(table.read(arguments.table), before))
        return 0
    chosen = environment.python()
    if chosen is None:
        print(environment.wanting(), file=sys.stderr)
        return 2
    if any(os.environ.get(name) != value for name, value in environment.VARIABLES.items()):
        # Once more, with the variables that JAX reads at its import.
        line = [chosen, "-m", "tests.device_less", *(sys.argv[1:] if argv is None else argv)]
        os.execve(chosen, line, environment.variables())
    return _compile(arguments)


def _compile(arguments: argparse.Namespace) -> int:
    """Measures or checks the programs that were asked for; 1 where one of them fails."""
    from tests.device_less import programs  # here, where JAX may be imported

    known = table.read(arguments.table)
    installed = table.versions()
    is_check = arguments.command == "check"
    if is_check and installed != known["versions"]:
        print(f"compiled with {installed}, table with {known['versions']}", file=sys.stderr)
    failed = False
    for program in programs.every():
        is_new = is_check or arguments.anew or program.name not in known["programs"]
        if not (is_new and _is_asked_for(program.name, arguments.only)):
            continue
        began = time.monotonic()
        found = programs.rows(program, arguments.target)
        print(f"{program.name}: compiled in {time.monotonic() - began:.0f} s", flush=True)
        for name, row in found.items():
            problems = list(table.worse(name, known["programs"].get(name), row))
            if not is_check:
                problems = [problem for problem in problems if "error" in row]
            print("\n".join([f"  {name} {row}", *problems]), flush=True)
            failed = failed or bool(problems)
        if not is_check:
            # After each one, so that nothing is lost when it is stopped.
            known = {"versions": installed, "programs": known["programs"] | found}
            table.write(known, arguments.table)
    return int(failed)


def _is_asked_for(name: str, only: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in only.split(","))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.device_less",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("measure", "check", "show"))
    parser.add_argument("--only", default="*", help="patterns of names, separated by commas")
    parser.add_argument("--table", type=Path, default=table.PATH)
    parser.add_argument("--before", type=Path, help="an older table, for show")
    parser.add_argument("--anew", action="store_true", help="measure what is in the table again")
    parser.add_argument("--target", default="h100", help="h100, or v5e where libtpu is installed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
