"""`algoperf-lite board`: a leaderboard that many people feed, as a folder in Git."""

import argparse
from pathlib import Path

HELP = "a leaderboard that many people feed, as a folder in Git"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the actions and their flags."""
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    init = actions.add_parser("init", help="make a board repository in a new folder")
    init.add_argument("folder", metavar="FOLDER", type=Path)
    init.add_argument("--benchmark", default="lite", metavar="B", help="default: lite, the newest")
    add = actions.add_parser("add", help="verify a pack and put it onto a board")
    add.add_argument("pack", metavar="PACK", type=Path, help="the .zip file")
    build = actions.add_parser("build", help="build the site of a board")
    build.add_argument("folder", metavar="FOLDER", type=Path)
    build.add_argument(
        "--site",
        type=Path,
        required=True,
        metavar="DIR",
        help="a new folder, or one that this has built (required)",
    )
    table = actions.add_parser("table", help="write the table in a board's README anew")
    for one in (add, table):
        one.add_argument(
            "--board", type=Path, default=Path("."), metavar="FOLDER", help="default: this one"
        )


def run(args: argparse.Namespace) -> int:
    """Does what the action says, and says where the result is."""
    return {"init": _init, "add": _add, "build": _build, "table": _table}[args.action](args)


def _init(args: argparse.Namespace) -> int:
    from algoperf_lite import api

    folder = api.board_init(args.folder, args.benchmark)
    print(f"board: {folder}; board.toml says what it takes, CONTRIBUTING.md how entries come")
    return 0


def _add(args: argparse.Namespace) -> int:
    from algoperf_lite import api

    found = api.board_add(args.pack, args.board)
    print(f"board: {found.output} is entry {found.num_entries}, for good under {found.sha256}")
    return 0


def _build(args: argparse.Namespace) -> int:
    from algoperf_lite import api

    found = api.board_build(args.folder, args.site)
    index = found.folder / "index.html"
    print(f"board: {index}, one of {found.num_files} files about {_counted(found.num_entries)}")
    return 0


def _counted(num_entries: int) -> str:
    return "1 entry" if num_entries == 1 else f"{num_entries} entries"


def _table(args: argparse.Namespace) -> int:
    from algoperf_lite import api

    print(f"board: {api.board_table(args.board)}")
    return 0
