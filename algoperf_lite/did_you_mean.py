"""The nearest valid name, wherever a user may mistype one."""

import difflib
from collections.abc import Iterable


def require(name: str, valid: Iterable[str], what: str, hint: str = "") -> str:
    """`name` itself if it is valid; else raises ValueError with the nearest valid one."""
    valid = list(valid)
    if name in valid:
        return name
    # Without a cutoff: a far-fetched guess still shows what kind of name is expected.
    nearest = difflib.get_close_matches(name, valid, n=1, cutoff=0.0)
    guess = f"did you mean {nearest[0]!r}? " if nearest else ""
    raise ValueError(f"unknown {what} {name!r}; {guess}(valid: {', '.join(valid)}{hint})")
