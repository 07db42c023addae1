"""Names, numbers and foreign text as a terminal or a page shows them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

NEVER = "never"
_MOST_TEXT = 6000  # characters of a traceback; what matters is at its end


@dataclass(frozen=True)
class Signs:
    """The signs of a medium, so that one text serves them all."""

    none: str  # no value
    to: str  # between two places
    times: str
    at_most: str
    at_least: str


# A terminal may have any encoding, and its text ends up in logs, READMEs and other scripts.
ASCII = Signs(none="-", to="-", times="x", at_most="<=", at_least=">=")
TYPESET = Signs(none="–", to="–", times="×", at_most="≤", at_least="≥")


@dataclass(frozen=True)
class Cell:
    """A number in a table: text for people, and the value with all its digits for CSV files."""

    text: str
    value: str = ""  # empty where there is no number


def cell(value: float | None, text: str) -> Cell:
    """The cell of a number, known or not."""
    known = value is not None and math.isfinite(value)
    return Cell(text, repr(float(value)) if known else "")


def printable(name: str) -> str:
    """The name with control characters, undecodable bytes and line ends shown as "?"."""
    return "".join(c if c.isprintable() else "?" for c in name)


def counted(num: int, noun: str) -> str:
    """E.g. "1 workload", "3 workloads"."""
    return f"{num:,} {noun}" if num == 1 else f"{num:,} {noun}s"


def amount(value: float | None) -> str:
    """Seconds or steps with about four digits, "never" for what was not reached."""
    if value is None or not math.isfinite(value):
        return NEVER
    # Above a thousand, decimals are noise.
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def fixed(value: float | None, digits: int, signs: Signs) -> str:
    """A number with so many decimals."""
    return signs.none if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def factor(value: float | None, signs: Signs) -> str:
    """E.g. "1.25x": how many times as fast, or as slow."""
    return signs.none if value is None else f"{value:.2f}{signs.times}"


def interval(low: float | None, high: float | None, digits: int) -> str:
    """E.g. "0.648 to 0.718", "?" where it cannot be told."""
    return "?" if low is None or high is None else f"{low:.{digits}f} to {high:.{digits}f}"


def span(place: tuple[int, int] | None, signs: Signs) -> str:
    """Best and worst place, e.g. "2-4", "2" where they are one, "?" where it cannot be told."""
    if place is None:
        return "?"
    best, worst = place
    return str(best) if best == worst else f"{best}{signs.to}{worst}"


def per_cent(chance: float, signs: Signs) -> str:
    """A chance in whole per cent that says 0 and 100 only for certain."""
    if math.isnan(chance):
        return signs.none
    if 0 < chance < 0.005:
        return "<1"
    return ">99" if 0.995 <= chance < 1 else f"{100 * chance:.0f}"


def plain(value: object) -> str:
    """Any value of a trial.json as one line of text."""
    if isinstance(value, str):
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def long_text(value: object) -> str:
    """A traceback or the like: lines kept, control characters shown as "?", the end if long."""
    lines = [printable(line.expandtabs()) for line in str(value).splitlines()]
    # The end of a traceback names the error, so the beginning is cut.
    text = "\n".join(lines)
    return text if len(text) <= _MOST_TEXT else f"[...]\n{text[-_MOST_TEXT:]}"


def flattened(value: object, name: str = "") -> dict[str, str]:
    """Leaves of nested objects as {"versions.jax": "0.10"}."""
    if not isinstance(value, dict):
        return {name or "key": plain(value)}
    leaves: dict[str, str] = {}
    for key, inner in value.items():
        leaves |= flattened(inner, f"{name}.{printable(str(key))}" if name else printable(str(key)))
    return leaves


def json_block(value: object) -> str:
    """JSON that is safe between <script> tags: pure ASCII, and no <, > or & in it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    # Within JSON these three occur in strings only, where an escape means the same character.
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
