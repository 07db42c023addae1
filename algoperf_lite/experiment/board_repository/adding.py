"""Packs put onto a board: verified, held against what is there, copied, counted in the README."""

import dataclasses
import os
import tempfile
from pathlib import Path

from algoperf_lite.experiment.records import verification
from algoperf_lite.experiment.records.pack_checks import Check
from algoperf_lite.storage import atomic
from scoring.board import entries, readme, standings


@dataclasses.dataclass(frozen=True)
class Added:
    """An entry that was added: its file, its permanent hash, and how many there are now."""

    output: Path
    sha256: str
    num_entries: int


def add(pack: str | Path, board: str | Path, check: Check) -> Added:
    """Puts a pack onto a board under a name that is made of what is in it.

    Args:
      pack: the file.
      board: folder of the board.
      check: what reads a submission's files for breaches of the rules.

    Returns:
      The entry.

    Raises:
      ValueError: no board, a pack in which anything does not fit, or one that does not fit the
        board; nothing is written then.
    """
    # What is cheap comes first: verifying takes seconds.
    before = entries.load(board)
    entry = entries.read(Path(pack))
    entries.load(board, [entry])
    verdict = verification.verify(pack, check)
    if verdict.level is None:
        first = verdict.rows[0]
        more = f", and {len(verdict.rows) - 1} more" * (len(verdict.rows) > 1)
        raise ValueError(
            f"{str(pack)!r} is not confirmed: {first.place}: {first.what}{more}; `verify` says all"
        )
    # Scoring before anything is written: entries that fit one by one may not compare.
    after = entries.load(board, [entry])
    text = readme.text(before.folder, standings.every(after))
    target = before.folder / entries.FOLDER / f"{entry.name}.zip"
    _copy(entry, target)
    atomic.write_text(before.folder / readme.FILE, text)
    return Added(target, entry.sha256, len(after.entries))


def board_table(board: str | Path) -> Path:
    """Writes the table in a board's README anew, after entries have come or gone by Git.

    Raises ValueError, one sentence, where anything does not fit.
    """
    found = entries.load(board)
    atomic.write_text(found.folder / readme.FILE, readme.text(found.folder, standings.every(found)))
    return found.folder / readme.FILE


def _copy(entry: entries.Entry, target: Path) -> None:
    """Copies a pack that is not there yet. Raises ValueError where it has changed meanwhile."""
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".adding_", dir=target.parent) as beside:
        partial = Path(beside, target.name)
        partial.write_bytes(entry.path.read_bytes())
        if entries.read(partial).sha256 != entry.sha256:
            raise ValueError(f"{str(entry.path)!r} has changed while it was read; try again")
        # A link and no rename, as a rename would replace what came there meanwhile.
        os.link(partial, target)
