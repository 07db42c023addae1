"""The attempts at a trial: `attempts.jsonl` in its directory.

A trial's process writes {"started", "seen"} when it starts, both in seconds since the epoch: this
attempt's start, and when the previous one was last seen alive. The process that watches it writes
{"ended", "error", "wall"} where it sees an attempt end, and "crashes", the number of crashes that
it stands for, where that is not one.
"""

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from algoperf_lite.storage import atomic

FILE = "attempts.jsonl"


def start(directory: Path, started: float, seen: float | None) -> None:
    """Writes down that an attempt has started, and when the one before was last seen alive."""
    directory.mkdir(parents=True, exist_ok=True)
    _append(directory, {"started": started, "seen": seen})


def end(directory: Path, status: str, error: str | None, wall: float, num_crashes: int = 1) -> None:
    """Writes down how an attempt ended, after so many seconds.

    `num_crashes`: one that would only be repeated stands for all that would follow it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    further = {} if num_crashes == 1 else {"crashes": num_crashes}
    _append(directory, {"ended": status, "error": error, "wall": wall, **further})


def ended(directory: Path) -> list[dict[str, Any]]:
    """The ends that were seen, in order."""
    return [line for line in _lines(directory) if isinstance(line.get("ended"), str)]


def num_crashes(directory: Path) -> int:
    """How often the trial crashed, or would have."""
    crashed = [end for end in ended(directory) if end["ended"] == "crashed"]
    counts = [end.get("crashes", 1) for end in crashed]
    # A damaged file may hold anything; each line is one crash at least.
    return sum(count if type(count) is int and count > 1 else 1 for count in counts)


def intervals(directory: Path) -> list[tuple[float, float]]:
    """(started, last seen alive) of all attempts."""
    starts = [line for line in _lines(directory) if "started" in line]
    seen = [line.get("seen") for line in starts[1:]] + [_last_seen(directory)]
    return [(_time(line["started"]), _time(end)) for line, end in zip(starts, seen, strict=False)]


def _time(value: Any) -> float:
    """The value if it is a time that has come, else 0."""
    # 0 is before every attempt, so a damaged file makes up no seconds.
    is_one = type(value) in (int, float) and math.isfinite(value) and 0 <= value <= time.time()
    return float(value) if is_one else 0.0


def alive(directory: Path, report: Callable[..., None]) -> Callable[..., None]:
    """`report`, which also leaves a sign of life in the directory."""

    # The file's time of change: it costs no write of data, and outlives the process.
    def tell(**event: Any) -> None:
        os.utime(directory / FILE)
        report(**event)

    return tell


def _last_seen(directory: Path) -> float | None:
    """The time of the last attempt's last visible act; None before there was an attempt."""
    # Not later than now, since another machine's clock may be ahead.
    try:
        if not (directory / FILE).exists():
            return None
        files = [path.stat().st_mtime for path in directory.iterdir() if path.is_file()]
        return min(max(files), time.time())
    except OSError:
        return None


def _append(directory: Path, line: dict[str, Any]) -> None:
    path = directory / FILE
    # A process that was killed in the middle of a line must not spoil the next one.
    is_torn = path.exists() and not path.read_bytes().endswith(b"\n")
    text = json.dumps(line, allow_nan=False)
    atomic.append_text(path, f"\n{text}\n" if is_torn else f"{text}\n")


def _lines(directory: Path) -> list[dict[str, Any]]:
    """All lines; a torn or damaged one is left out."""
    try:
        texts = (directory / FILE).read_text(errors="replace").split("\n")
    except OSError:
        return []
    found = []
    for text in texts:
        try:
            found.append(dict(json.loads(text)))
        except (ValueError, TypeError, RecursionError):
            continue
    return found
