"""Packing: things of unlike sizes, in order, into containers of bounded size."""

from collections.abc import Sequence

import numpy as np


def borders(sizes: Sequence[np.ndarray], most: Sequence[int], last: np.ndarray) -> np.ndarray:
    """Where containers end if each takes the next things as long as they fit: int64 (k + 1,), of
    which the first is 0 and the last n.

    Args:
      sizes: (n,) each, in one or several measures; a thing alone must fit.
      most: what a container holds of each measure.
      last: (n,), the end that a container must not pass if it begins at each thing.
    """
    ends = [last]
    for of_each, bound in zip(sizes, most, strict=True):
        total = np.concatenate([[0], np.cumsum(of_each, dtype=np.int64)])
        ends.append(np.searchsorted(total, total[:-1] + bound, side="right") - 1)
    # Where a container would end if it began at each thing; then from end to end.
    end = np.minimum.reduce(ends).clip(max=len(last)).tolist()
    found = [0]
    while found[-1] < len(end):
        found.append(end[found[-1]])
    return np.array(found, np.int64)


def ranges(begin: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """begin[i], begin[i] + 1, ..., begin[i] + sizes[i] - 1 for each i, one range after the other:
    int64, from two (k,)."""
    # Each range's place among the results, moved to where it begins.
    shift = begin - (np.cumsum(sizes) - sizes)
    return np.arange(sizes.sum()) + np.repeat(shift, sizes)


def starts(sizes: np.ndarray | Sequence[int]) -> np.ndarray:
    """The running sum from 0 on: int64 (n + 1,)."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
