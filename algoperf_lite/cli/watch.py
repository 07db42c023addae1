"""`algoperf-lite watch`: an experiment while it runs, in a browser or a terminal."""

import argparse
from pathlib import Path

from algoperf_lite.cli.flag_types import at_least

HELP = "an experiment while it runs, in a browser or a terminal"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add = parser.add_argument
    add("directory", metavar="DIR", type=Path, help="of an experiment, or of AlgoPerf's logs")
    add("--terminal", action="store_true", help="here, and not as a page for a browser")
    add(
        "--port",
        type=at_least(0),
        default=0,
        metavar="N",
        help="of the page, on this machine alone; default: one that is free",
    )


def run(args: argparse.Namespace) -> int:
    """Shows the directory until Ctrl-C; raises ValueError where there is none."""
    if not args.directory.is_dir():
        raise ValueError(f"{str(args.directory)!r} is not a directory; give one of `run`")
    try:
        if args.terminal:
            from scoring.watch import terminal

            terminal.watch(args.directory)
        else:
            _serve(args.directory, args.port)
    except KeyboardInterrupt:  # it is how one ends this
        pass
    return 0


def _serve(directory: Path, port: int) -> None:
    import threading

    from scoring.watch import server

    with server.serving(directory, port) as address:
        print(f"watch: {address} (Ctrl-C ends it)", flush=True)
        threading.Event().wait()
