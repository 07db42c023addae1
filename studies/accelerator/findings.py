"""Findings on their way from a child to its parent: lines of JSON. Loads no JAX."""

import json
from collections.abc import Callable
from typing import Any

_MARK = "@@"  # begins such a line: libraries print too
Say = Callable[..., None]  # of what was found, as keywords that JSON can hold


def tell(**content: Any) -> None:
    """Prints a line for the parent."""
    print(_MARK + json.dumps(content), flush=True)


def found(**content: Any) -> None:
    """Tells the parent of a finding; a `Say`."""
    tell(found=content)


def heard(line: bytes) -> dict[str, Any] | None:
    """What a child told in a line that it printed; None for a line that is not for the parent."""
    text = line.decode(errors="replace")
    return json.loads(text.removeprefix(_MARK)) if text.startswith(_MARK) else None
