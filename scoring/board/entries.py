"""The entries of a board: its packs, each under a name that is made of what is in it."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scoring.board import settings
from scoring.board.settings import Hardware, Remark, Settings
from scoring.logs import merge
from scoring.logs import pack as packs
from scoring.logs.format import ROW_FILES
from scoring.logs.pack import MANIFEST, Pack

FOLDER = "entries"
_TRIAL = re.compile(r"([^/]+)/(study_[^/]+)/([^/]+)/(trial_[^/]+)/([^/]+)")
_UNSAFE = re.compile(r"[^a-z0-9_]+")
_MOST_LETTERS = 48  # of submissions' names in the name of a file
_DIGITS = 12  # of the hash in it
_MOST_DEPTH = 4  # of what a fingerprint says; ours have 2
_SECONDS = (946_684_800.0, 4_102_444_800.0)  # what a clock may have said: years 2000 to 2100


@dataclass(frozen=True, eq=False)
class Entry:
    """A pack on a board, or one that is to be put there.

    Attributes:
      sha256: of the file.
      submissions: {name: hash of its text}.
      machines: {key of a fingerprint: its facts}.
      rows: {(workload's folder, hash of a trial's rows): place of the trial}.
      studies: {(submission, workload's folder): its studies}.
      date: of the start of its last trial; None where it does not tell.
    """

    path: Path
    sha256: str
    benchmark: str
    ruleset: str
    submissions: Mapping[str, str]
    machines: Mapping[str, Mapping]
    num_trials: int
    rows: Mapping[tuple[str, str], str] = field(repr=False)
    studies: Mapping[tuple[str, str], frozenset[str]] = field(repr=False)
    date: datetime.date | None
    pack: Pack = field(repr=False)

    @property
    def name(self) -> str:
        """Its name on a board; the same pack has the same one everywhere."""
        # Other people's names lead to no other folder and mean nothing to a shell.
        words = "-".join(_UNSAFE.sub("", name.lower()) for name in sorted(self.submissions))
        return f"{words[:_MOST_LETTERS].strip('-_') or 'entry'}-{self.sha256[:_DIGITS]}"


@dataclass(frozen=True)
class Board:
    """A board: its settings and its entries, by date and name."""

    folder: Path
    settings: Settings
    entries: tuple[Entry, ...]

    def remark(self, entry: Entry) -> Remark:
        """What the keepers say of an entry."""
        return self.settings.remarks.get(entry.name, Remark())

    def date(self, entry: Entry) -> datetime.date:
        """The date of an entry: the keepers', else the pack's, else that of the board."""
        return self.remark(entry).date or entry.date or self.settings.began

    def hardware(self, entry: Entry) -> Hardware:
        """The class of an entry's machines. Raises ValueError where they are of several."""
        found = {}
        for key, facts in entry.machines.items():
            one = next((h for h in self.settings.hardware if h.holds(key, facts)), None)
            one = one or _of_its_own(key)
            found[one.id] = one
        if len(found) > 1:
            names = ", ".join(sorted(found))
            raise ValueError(
                f"{entry.path.name!r} is of unlike machines ({names}); `merge` parts them, or "
                f"{settings.FILE} puts them into one class"
            )
        return next(iter(found.values()), _of_its_own("unknown"))


def load(folder: str | Path, more: Sequence[Entry] = ()) -> Board:
    """The board in a folder, with entries that are to be put there.

    Raises ValueError, one sentence, where anything does not fit.
    """
    root = Path(folder)
    found = settings.load(root)
    there = []
    for path in sorted((root / FOLDER).glob("*.zip")):
        entry = read(path)
        if path.is_symlink() or path.stem != entry.name:
            raise ValueError(
                f"{str(path)!r} is not under the name that is made of what is in it, "
                f"{entry.name}.zip; take it away and use `board add`"
            )
        there.append(entry)
    board = Board(root, found, ())
    for number, entry in enumerate((*there, *more)):
        _check_fits(board, entry)
        for other in (*there, *more)[:number]:
            _check_beside(entry, other)
    ordered = sorted((*there, *more), key=lambda entry: (board.date(entry), entry.name))
    return Board(root, found, tuple(ordered))


def read(path: Path) -> Entry:
    """The entry in a file. Raises ValueError, one sentence, for what is no pack of results."""
    pack = packs.read(path)
    about = pack.about
    submissions, machines = about.get("submissions"), about.get("fingerprints")
    texts = (about.get("benchmark"), about.get("ruleset"))
    sound = isinstance(submissions, dict) and isinstance(machines, dict)
    sound = sound and all(isinstance(text, str) for text in (*submissions.values(), *texts))
    if not sound or not all(_are_facts(facts) for facts in machines.values()):
        raise ValueError(f"{str(path)!r}: its {MANIFEST} does not say what it is of; pack it anew")
    files = list(_trial_files(pack))
    contents: dict[tuple[str, ...], list[bytes]] = {}
    studies: dict[tuple[str, str], set[str]] = {}
    for *place, name, content in files:
        studies.setdefault((place[0], place[2]), set()).add(place[1])
        of_trial = contents.setdefault(tuple(place), [])
        of_trial += [content] if name in ROW_FILES else []
    if not contents:
        raise ValueError(f"{str(path)!r} holds no trial")
    return Entry(
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        benchmark=texts[0],
        ruleset=texts[1],
        submissions=submissions,
        machines=machines,
        num_trials=len(contents),
        rows={
            (place[2], sha256): "/".join(place)
            for place, rows in contents.items()
            if (sha256 := merge.rows_sha256(rows)) is not None
        },
        studies={cell: frozenset(found) for cell, found in studies.items()},
        date=_date(pack),
        pack=pack,
    )


def _are_facts(value: object, depth: int = _MOST_DEPTH) -> bool:
    """Whether a value is an object that a page can show: not nested without end."""
    if depth < 0 or (depth == _MOST_DEPTH and not isinstance(value, dict)):
        return False
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(_are_facts(one, depth - 1) for one in inner)


def _check_fits(board: Board, entry: Entry) -> None:
    """Raises ValueError for an entry that is not of the board's kind."""
    found = board.settings
    for what, said, taken in (
        ("benchmark", entry.benchmark, found.benchmarks),
        ("ruleset", entry.ruleset, found.rulesets),
    ):
        if said not in taken:
            raise ValueError(
                f"{entry.path.name!r} is of {what} {said!r:.60}; this board takes "
                f"{', '.join(taken)}"
            )
    least = min((len(found) for found in entry.studies.values()), default=0)
    if least < found.num_studies:
        raise ValueError(
            f"{entry.path.name!r} has {least} studies of a submission on a workload; this board "
            f"takes {found.num_studies} or more"
        )
    board.hardware(entry)


def _check_beside(entry: Entry, other: Entry) -> None:
    """Raises ValueError for two entries that cannot stand on one board."""
    both = f"{entry.path.name!r} and {other.path.name!r}"
    if entry.sha256 == other.sha256:
        raise ValueError(f"{both} are the same pack; keep one")
    for key in entry.rows.keys() & other.rows.keys():
        raise ValueError(f"{both} hold the same rows ({entry.rows[key][:100]!r}); keep one")
    if entry.benchmark != other.benchmark:
        return  # a new version may have new texts under the old names
    # A name stands for one text and a text for one name: else rows of the board would be told
    # apart by numbers that nobody has given.
    for name, sha256 in entry.submissions.items():
        if other.submissions.get(name, sha256) != sha256:
            raise ValueError(f"{both} have different texts of {name!r:.80}; give one another name")
        twin = next((n for n, text in other.submissions.items() if text == sha256), name)
        if twin != name:
            raise ValueError(f"{both} have one text as {name!r:.80} and {twin!r:.80}; use one name")


def _of_its_own(key: str) -> Hardware:
    """The class of a machine that `board.toml` does not know."""
    # The key is a stranger's text until it is hashed.
    id_ = f"machine-{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:8]}"
    return Hardware(id_, f"machine of fingerprint {key[:40]}", (key,), {})


def _trial_files(pack: Pack) -> Iterator[tuple[str, str, str, str, str, bytes]]:
    """(submission, study, workload's folder, trial, name, content) of files of trials."""
    for path, content in sorted(pack.files.items()):
        if match := _TRIAL.fullmatch(path):
            yield (*match.groups(), content)


def _date(pack: Pack) -> datetime.date | None:
    """The day on which the last trial began, by what its attempts say."""
    last = None
    for path, content in pack.files.items():
        if path.endswith("/attempts.jsonl"):
            for line in content.splitlines()[:100]:
                last = max(filter(None, (last, _started(line))), default=None)
    return last and datetime.datetime.fromtimestamp(last, datetime.UTC).date()


def _started(line: bytes) -> float | None:
    try:
        seconds = json.loads(line)["started"]
        is_time = isinstance(seconds, int | float) and math.isfinite(seconds)
        return seconds if is_time and _SECONDS[0] < seconds < _SECONDS[1] else None
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError):
        return None
