"""Plans over a split of many files: whole files in random order, their lines in file order.

AlgoPerf never shuffles lines of the click log: lines that follow one another in a file train
together, and a batch runs across the border of two files.
"""

import dataclasses

import numpy as np

from algoperf_lite.data.plan import Consecutive, Plan, permutation


@dataclasses.dataclass(frozen=True)
class PermutedFiles(Plan):
    """Training order: files in a fresh order in each epoch, the last short batch dropped.

    Raises ValueError where a batch does not fit the split.

    Attributes:
      counts: examples of each file.
    """

    counts: tuple[int, ...]
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= sum(self.counts):
            raise ValueError(
                f"batch size {self.batch_size} does not fit a training split of "
                f"{sum(self.counts)} examples; choose 1 to {sum(self.counts)}"
            )

    @property
    def num_batches(self) -> None:
        """None: epochs follow one another."""
        return None

    def picks(self, t: int) -> np.ndarray:
        """Lines of at most a few files, in runs of neighbours: int64 (batch_size,)."""
        epoch, at = divmod(t, sum(self.counts) // self.batch_size)
        places = np.arange(at * self.batch_size, (at + 1) * self.batch_size, dtype=np.int64)
        return _examples(self.counts, self.seed, epoch, places)


@dataclasses.dataclass(frozen=True)
class PartOfPermutedFiles(Plan):
    """One pass over the first `num_examples` of a fixed order of files, padded at the end."""

    counts: tuple[int, ...]
    num_examples: int
    batch_size: int

    @property
    def num_batches(self) -> int:
        """As many as hold `num_examples`."""
        return self._places.num_batches

    def picks(self, t: int) -> np.ndarray:
        """Neighbouring lines: int64 (batch_size,). Raises IndexError past the last batch."""
        return _examples(self.counts, 0, 0, self._places.picks(t))

    def weights(self, t: int) -> np.ndarray:
        """0 for the repeated ones: float32 (batch_size,)."""
        return self._places.weights(t)

    @property
    def _places(self) -> Consecutive:
        return Consecutive(self.num_examples, self.batch_size)


def _examples(counts: tuple[int, ...], seed: int, epoch: int, places: np.ndarray) -> np.ndarray:
    """The examples at some places of an epoch, counted through the files as they are sorted."""
    counts_F = np.array(counts, np.int64)
    order_F = permutation(len(counts), seed, epoch)
    starts_F = np.cumsum(counts_F) - counts_F  # in the sorted order
    ends_F = np.cumsum(counts_F[order_F])  # in the order of this epoch
    which = np.searchsorted(ends_F, places, side="right")
    file = order_F[which]
    return places - (ends_F[which] - counts_F[file]) + starts_F[file]
