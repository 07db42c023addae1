"""Published results of a board: a table of scores or of times to target, as CSV or JSON."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".csv", ".json")
_COLUMNS = "submission, score; or submission, workload, time (study may follow)"
_NEVER = ("", "inf", "infinity", "never", "null", "none")


@dataclass(frozen=True)
class Published:
    """A table: either scores, or times to target by submission, workload and study."""

    scores: Mapping[str, float]
    times: Mapping[tuple[str, str], Mapping[int, float]]  # inf: not reached

    @property
    def submissions(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted({*self.scores, *(submission for submission, _ in self.times)}))


def read(path: Path) -> Published:
    """The table of a file.

    A CSV file has a header; JSON is a list of objects with the same names, or what `score --json`
    prints. Further columns are left alone.
    Raises ValueError that names the file and the line (of JSON: the row) of what is wrong.
    """
    scores: dict[str, float] = {}
    times: dict[tuple[str, str], dict[int, float]] = {}
    for place, row in _rows(path):
        if not row.get("submission", "").strip():
            raise ValueError(f"{place} names no submission; expected {_COLUMNS}")
        name = row["submission"].strip()
        if "time" in row and row.get("workload", "").strip():
            studies = times.setdefault((name, row["workload"].strip()), {})
            study = _study(row.get("study", ""), place)
            _once(studies, study, _number(row["time"], place, "time", least=0.0), place)
        elif "score" in row:
            _once(scores, name, _number(row["score"], place, "score"), place)
        else:
            raise ValueError(f"{place} has {', '.join(row)}; expected {_COLUMNS}")
    if bool(scores) == bool(times):
        what = "both scores and times" if scores else "no row"
        raise ValueError(f"{path} holds {what}; expected rows of {_COLUMNS}")
    return Published(scores, times)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row as text by column, and where it stands."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"{path} cannot be read ({reason}); give a CSV or JSON table") from None
    if path.suffix == ".json":
        yield from _json_rows(path, text)
        return
    # A comment says where a table comes from.
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = [(i, line) for i, line in lines if not line.startswith("#")]
    header = next(csv.reader([lines[0][1]]), []) if lines else []
    names = [name.strip().lower() for name in header]
    if "submission" not in names or not {"score", "time"} & set(names):
        got = ", ".join(names) or "nothing"
        raise ValueError(f"{path} has the columns {got}; expected {_COLUMNS}")
    for number, line in lines[1:]:
        cells = next(csv.reader([line]))
        if len(cells) != len(names):
            raise ValueError(
                f"{path}, line {number}, has {len(cells)} cells for {len(names)} columns; mend it"
            )
        yield f"{path}, line {number},", dict(zip(names, cells, strict=True))


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}); mend it") from None
    if isinstance(content, dict):
        content = list(_of_leaderboard(path, content))
    for number, row in enumerate(content if isinstance(content, list) else (), 1):
        place = f"{path}, row {number},"
        if not isinstance(row, dict):
            raise ValueError(f"{place} is no object; expected one with {_COLUMNS}")
        yield place, {name: "" if value is None else str(value) for name, value in row.items()}


def _of_leaderboard(path: Path, content: dict) -> Iterator[dict]:
    """Rows of what `score --json` prints: its times, since scores follow from them."""
    times = content.get("time_to_target")
    if not isinstance(times, dict) or content.get("by") != "time":
        raise ValueError(
            f"{path} is neither a list of rows nor what `score --json` prints of times; "
            f"expected {_COLUMNS}"
        )
    statuses = content.get("statuses", {})
    for submission, row in times.items():
        for workload, value in row.items():
            # null is also for what was never run, which the statuses know.
            if value is not None or workload in statuses.get(submission, {}):
                yield {"submission": submission, "workload": workload, "time": value}


def _number(text: str, place: str, what: str, least: float = -math.inf) -> float:
    """A number; a time may also be inf."""
    is_time = what == "time"
    if is_time and text.strip().lower() in _NEVER:
        return math.inf
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value) or value < least or (math.isinf(value) and not is_time):
        expected = "seconds from 0 on, or inf for never" if is_time else "a number"
        raise ValueError(f"{place} has the {what} {text!r}; expected {expected}")
    return value


def _study(text: str, place: str) -> int:
    text = text.strip()
    if text and not text.isdecimal():
        raise ValueError(f"{place} has the study {text!r}; expected a whole number from 0 on")
    return int(text or 0)


def _once(found: dict, key: object, value: float, place: str) -> None:
    if key in found:
        raise ValueError(f"{place} repeats an earlier row; keep one, or number the studies")
    found[key] = value
