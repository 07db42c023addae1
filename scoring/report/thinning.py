"""Fewer points per curve, without losing what the eye or the target asks of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def thin(values: np.ndarray, most: int, keep: Iterable[int] = ()) -> np.ndarray:
    """Ascending row numbers, at most `most`, that stand for the whole curve of R values.

    Kept for certain: the first and the last row, the rows in `keep`, and the smallest and largest
    finite value. The rest are the extremes of equal stretches, so that spikes survive, which an
    every-k-th rule loses. A curve of no more than `most` rows stays whole.
    """
    if len(values) <= most:
        return np.arange(len(values))
    must = {0, len(values) - 1, *keep}
    num_stretches = (most - len(must)) // 2
    if num_stretches < 1:
        raise ValueError(f"cannot keep {len(must)} rows and extremes in {most}; allow more rows")
    chosen = set(must)
    for stretch in np.array_split(np.arange(len(values)), num_stretches):
        finite = stretch[np.isfinite(values[stretch])]
        if finite.size:
            chosen.add(int(finite[np.argmin(values[finite])]))
            chosen.add(int(finite[np.argmax(values[finite])]))
        else:  # a gap stays a gap
            chosen.add(int(stretch[0]))
    return np.array(sorted(chosen))


def rounded(value: float, digits: int = 6) -> float | int | None:
    """The value to so many significant digits, None where JSON has no word for it."""
    if not np.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short == int(short) and abs(short) < 2**53 else short
