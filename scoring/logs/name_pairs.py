"""Names of the same submissions on two boards, from flags or a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

_FORMS = "A_NAME=B_NAME,..., or a .json or .csv file of such pairs"


def parse(given: Iterable[str]) -> dict[str, str]:
    """Names on B by names on A, out of texts like "nadamw=baseline,amos=amos" and names of files.

    Raises ValueError for what is neither, and for a name that is given two others.
    """
    found: dict[str, str] = {}
    for text in given:
        pairs = _file(Path(text)) if "=" not in text else _pairs(text)
        for ours, theirs, place in pairs:
            if not ours or not theirs:
                raise ValueError(f"{place}: got an empty name; expected {_FORMS}")
            if found.setdefault(ours, theirs) != theirs:
                raise ValueError(f"{place}: {ours!r} is matched with {found[ours]!r} already")
    return found


def _pairs(text: str) -> list[tuple[str, str, str]]:
    """Pairs of one text, and where they stand."""
    found = []
    for part in text.split(","):
        ours, mark, theirs = part.partition("=")
        if not mark:
            raise ValueError(f"--match={text}: got {part!r}; expected {_FORMS}")
        found.append((ours.strip(), theirs.strip(), f"--match={text}"))
    return found


def _file(path: Path) -> list[tuple[str, str, str]]:
    """Pairs of a JSON object, or of a CSV file with the header a,b."""
    if path.suffix not in (".json", ".csv"):
        raise ValueError(f"--match={path}: expected {_FORMS}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"{path} cannot be read ({reason}); expected {_FORMS}") from None
    if path.suffix == ".csv":
        lines = list(csv.reader(text.splitlines()))
        if not lines or [name.strip() for name in lines[0]] != ["a", "b"]:
            raise ValueError(f"{path}: expected the header a,b and two names a line")
        for number, line in enumerate(lines[1:], 2):
            if len(line) != 2:
                raise ValueError(f"{path}, line {number}: got {len(line)} cells; expected two")
        rows = enumerate(lines[1:], 2)
        return [(ours.strip(), theirs.strip(), f"{path}, line {i}") for i, (ours, theirs) in rows]
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}); mend it") from None
    if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
        raise ValueError(f"{path}: expected an object of names, as in {{'nadamw': 'baseline'}}")
    return [(ours, theirs, str(path)) for ours, theirs in content.items()]
