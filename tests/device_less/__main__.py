"""Programs of the harness compiled for an H100 that is not there, and what XLA made of them.

    python -m tests.device_less measure              what is missing in table.json, then writes it
    python -m tests.device_less measure --anew       all of it
    python -m tests.device_less check                measures all and compares: exit code 1 if worse
    python -m tests.device_less show --before=FILE   prints the table, beside an older one

`--only='*/full/*,digits/*'` picks programs by name, `--table=FILE` another file, `--workers=8` uses
eight cores. A measurement can be stopped at any time and goes on where it was.
"""

from __future__ import annotations

import argparse
import fnmatch
import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tests.device_less import environment, table

if TYPE_CHECKING:
    from tests.device_less.programs import Program

UNABLE = 2  # exit code where nothing could be compared


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    if arguments.command == "show":
        before = table.read(arguments.before) if arguments.before else None
        print(table.markdown(table.read(arguments.table), before))
        return 0
    is_ready = environment.is_ready()
    chosen = sys.executable if is_ready else environment.python()
    if chosen is None or (is_ready and not find_spec(environment.PLUGIN)):
        print(environment.wanting(), file=sys.stderr)
        return UNABLE
    if not is_ready:
        # Once more, in the right Python and with the variables that JAX reads at its import.
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
        # Another XLA makes other kernels, which says nothing about the program.
        print(f"table of {known['versions']}, installed are {installed}", file=sys.stderr)
        return UNABLE
    asked = [
        program
        for program in programs.every()
        if (is_check or arguments.anew or program.name not in known["programs"])
        and _is_asked_for(program.name, arguments.only)
    ]
    failed = False
    for found in _each(asked, arguments):
        for name, row in found.items():
            problems = list(table.worse(name, known["programs"].get(name), row))
            if not is_check:
                problems = [problem for problem in problems if "error" in row]
            print("\n".join([f"{name} {row}", *problems]), flush=True)
            failed = failed or bool(problems)
        if not is_check:
            # After each one, so that nothing is lost when it is stopped.
            known = {"versions": installed, "programs": known["programs"] | found}
            table.write(known, arguments.table)
    return int(failed)


def _each(
    asked: Sequence[Program], arguments: argparse.Namespace
) -> Iterator[Mapping[str, table.Row]]:
    """The rows of each program, as soon as it is compiled."""
    from tests.device_less import programs

    # Not forked: threads of XLA would not be there in the child, but their locks would.
    processes = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, processes) as pool:
        jobs = [pool.submit(programs.rows, program, arguments.target) for program in asked]
        yield from (job.result() for job in as_completed(jobs))


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
    parser.add_argument("--workers", type=int, default=1, help="programs compiled side by side")
    parser.add_argument("--target", default="h100", help="h100, or v5e where libtpu is installed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
