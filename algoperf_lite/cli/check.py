"""`algoperf-lite check`: is a submission valid, and does it keep the rules?"""

import argparse
import json

HELP = "is a submission valid, and does it keep the rules?"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("submission", help="name, or path of a file or folder")
    parser.add_argument("--static", action="store_true", help="read its files only, run nothing")
    parser.add_argument("--json", action="store_true", help="one object instead of text")


def run(args: argparse.Namespace) -> int:
    """Prints what breaks the rules; 1 where anything does."""
    # Not at the top: whoever asks for --help need not wait for the checks to load.
    from algoperf_lite import api
    from algoperf_lite.rules import report

    found = api.check(args.submission, static=args.static)
    if args.json:
        print(json.dumps(report.to_json(found.rows, found.submission), indent=1))
    else:
        from rich.console import Console

        Console().print(report.render(found.rows, found.submission))
    return report.exit_code(found.rows)
