"""The command line: its parser, its commands, errors and exit codes."""

import argparse
import difflib
import importlib.metadata
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, NoReturn

from absl import app, flags, logging

from algoperf_lite import did_you_mean
from algoperf_lite.cli import (
    board,
    calibrate,
    check,
    data,
    export,
    fidelity,
    list,
    merge,
    pack,
    plot_schedules,
    quickstart,
    replay,
    report,
    run,
    score,
    set_targets,
    signals,
    verify,
    watch,
)
from algoperf_lite.storage import atomic

# Each is a module with HELP, add_flags(parser) and run(args); `--help` has them in this order.
_MODULES = (
    quickstart,
    list,
    run,
    score,
    report,
    watch,
    export,
    fidelity,
    pack,
    merge,
    verify,
    board,
    check,
    calibrate,
    data,
    plot_schedules,
    replay,
    set_targets,
)
COMMANDS: Mapping[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module for module in _MODULES
}
BAD_INPUT = 2  # exit code
_GO_ON = "finished trials are kept, the same command continues"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `algoperf-lite`; `argv` has the program's name in front."""
    app.run(_dispatch, argv=[*argv] if argv else None, flags_parser=_parse)


def _dispatch(arguments: argparse.Namespace) -> int:
    logging.set_verbosity(logging.WARNING)
    try:
        with signals.terminable():
            code = _run(arguments)
            sys.stdout.flush()  # here, where it is known what to do if nobody reads
            return code
    except BrokenPipeError:
        return signals.nobody_reads()
    except (ValueError, RuntimeError) as error:
        print(f"algoperf-lite: {error}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, ValueError) else 1
    except OSError as error:
        return _say_why(error)
    except KeyboardInterrupt as stop:
        print(f"\nalgoperf-lite: stopped; {_GO_ON}", file=sys.stderr)
        is_term = isinstance(stop, signals.Terminated)
        return signals.TERMINATED if is_term else signals.INTERRUPTED


def _say_why(error: OSError) -> int:
    """The exit code of what the system has refused, which is said; raises what nobody asked for."""
    if atomic.is_full(error):
        print(f"algoperf-lite: no room to write ({error}); free some: {_GO_ON}", file=sys.stderr)
        return 1
    if not atomic.is_refused(error) or error.filename is None:
        raise error
    # Of a file that was to be renamed, the second name is the one that people have given.
    where = f"{str(error.filename2 or error.filename)!r} ({error.strerror})"
    print(f"algoperf-lite: cannot use {where}; give another path, or mend that", file=sys.stderr)
    return BAD_INPUT


def _run(arguments: argparse.Namespace) -> int:
    options = dict(vars(arguments))
    command = options.pop("command")
    return COMMANDS[command].run(argparse.Namespace(**options))


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence, without the usage text in front.

    Attributes:
      gone: {flag: what to do instead} of flags that there were once.
    """

    def __init__(self, **settings: Any):
        # Abbreviations would make another flag of a mistyped one: --submission of --submissions.
        super().__init__(allow_abbrev=False, **settings)
        self.gone: Mapping[str, str] = {}

    def error(self, message: str) -> NoReturn:
        print(f"algoperf-lite: {message}", file=sys.stderr)
        sys.exit(BAD_INPUT)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse has it; unknown flags are told first, since a mistyped flag is also one that
        is missing."""
        for word in args or ():
            flag = word.partition("=")[0]
            if flag.startswith("--"):
                self._check(flag)
            elif self._subparsers is not None:
                # A command; the flags behind it are its own.
                self.require(word, self._commands(), "command")
                break
        return super().parse_known_args(args, namespace)

    def _commands(self) -> Iterable[str]:
        actions = (one for one in self._actions if isinstance(one, argparse._SubParsersAction))
        return [name for action in actions for name in action.choices]

    def _check(self, flag: str) -> None:
        if flag in self.gone:
            self.error(f"there is no flag {flag} any more: {self.gone[flag]}")
        known = [name for name in self._option_string_actions if name.startswith("--")]
        if flag not in known:
            longer = [name for name in known if name.startswith(flag)]
            nearest = longer or difflib.get_close_matches(flag, known, n=1, cutoff=0.0)
            # Without all that are valid: `run` has forty.
            self.error(
                f"unknown flag {flag!r}; did you mean {nearest[0]!r}? See {self.prog} --help"
            )

    def require(self, name: str, valid: Iterable[str], what: str) -> None:
        """Ends the program with the nearest valid name unless a name is valid."""
        try:
            did_you_mean.require(name, valid, what)
        except ValueError as error:
            self.error(str(error))


def parser() -> Parser:
    """The parser of all commands."""
    found = Parser(
        prog="algoperf-lite", description="Time-to-result benchmark of training algorithms."
    )
    found.add_argument("--version", action="version", version=_version())
    commands = found.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for name, module in COMMANDS.items():
        own = commands.add_parser(
            name, help=module.HELP, description=f"{module.HELP[0].upper()}{module.HELP[1:]}"
        )
        module.add_flags(own)
    return found


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    """The flags of a command line, the program's name in front."""
    flags.FLAGS.mark_as_parsed()  # absl asks for it; none of its flags is ours
    return parser().parse_args(argv[1:])


def _version() -> str:
    try:
        return f"algoperf-lite {importlib.metadata.version('algoperf-lite')}"
    except importlib.metadata.PackageNotFoundError:
        return "algoperf-lite, not installed"
