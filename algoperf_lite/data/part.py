"""A part of a split that is chosen once and for all, such as the training examples evaluated."""

import dataclasses
import functools

import numpy as np

from algoperf_lite.data.keys import RowKeys
from algoperf_lite.data.plan import permutation
from algoperf_lite.data.source import Source


@dataclasses.dataclass(frozen=True, eq=False)
class Part(Source):
    """So many examples of another source, the same in every trial, in the source's order.

    Attributes:
      source: has the examples.
      size: how many; all of them where it has fewer.
    """

    source: Source
    size: int

    @functools.cached_property
    def _chosen(self) -> np.ndarray:
        # Sorted, as neighbours on the disk are read faster.
        return np.sort(permutation(self.source.num_examples, 0, 0)[: self.size])

    @property
    def num_examples(self) -> int:
        """`size`, or all of the source's."""
        return min(self.size, self.source.num_examples)

    def fingerprint(self) -> str:
        """The source's, with the size."""
        return f"{self.source.fingerprint()}-{self.size}"

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """The source's rows."""
        return self.source.rows(self._chosen[picks], keys)
