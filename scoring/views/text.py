"""Names, amounts and foreign text as a terminal or a page shows them."""

from __future__ import annotations

import json
import math

NEVER = "never"
_MOST_TEXT = 6000  # characters of a traceback; what matters is at its end


def printable(name: str) -> str:
    """The name with control characters, undecodable bytes and line ends shown as "?"."""
    return "".join(c if c.isprintable() else "?" for c in name)


def amount(value: float | None) -> str:
    """Seconds or steps with about four digits, "never" for what was not reached."""
    if value is None or not math.isfinite(value):
        return NEVER
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def fixed(value: float | None, digits: int, missing: str = "–") -> str:
    """A number with so many decimals."""
    return missing if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def number(value: float | None, text: str) -> dict[str, str]:
    """A table's cell: text for people, and for the CSV file the number with all its digits."""
    known = value is not None and math.isfinite(value)
    return {"text": text, "value": repr(float(value)) if known else ""}


def plain(value: object) -> str:
    """Any value of a trial.json as one line of text."""
    if isinstance(value, str):
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def long_text(value: object) -> str:
    """A traceback or the like: lines kept, control characters shown as "?", the end if long."""
    lines = [printable(line.expandtabs()) for line in str(value).splitlines()]
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
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
