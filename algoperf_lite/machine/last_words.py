"""The end of what a process wrote before it died, and the reason that native code gave in it."""

import re
from pathlib import Path

_LAST = 8192  # bytes of output that count as last words
# A line by which absl ends a process, and so XLA: "F1128 06:26:19.29 257 file.cc:4] the reason".
_FATAL = re.compile(r"^F\d{4} [\d:.]+ +\d+ [^\]]+\] (?P<why>.+)$", re.MULTILINE)


def read(log: Path, start: int) -> str:
    """The end of what a process wrote to a log that was `start` bytes long before; empty where
    there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, log.stat().st_size - _LAST))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def fatal(text: str) -> str | None:
    """Why native code ended the process, as it says last in `text`; None where it does not."""
    found = [match["why"] for match in _FATAL.finditer(text)]
    return found[-1].strip()[:300] if found else None
