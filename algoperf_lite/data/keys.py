"""Random numbers of one row of a batch: the same whoever draws them, and in which order."""

import dataclasses
import enum

import numpy as np


class Stream(enum.IntEnum):
    """What random numbers are for; each has its own, so that none depends on another's number."""

    TRAIN = 0
    EVAL = 1


@dataclasses.dataclass(frozen=True)
class RowKeys:
    """The keys of neighbouring rows of batch `step`, from row `first_row` on.

    They name (trial seed, stream, batch, row) and neither worker, process nor time: that is what
    makes a batch the same for any number of them, and after a kill.
    """

    seed: int
    stream: Stream
    step: int
    first_row: int = 0

    def generator(self, row: int) -> np.random.Generator:
        """The generator of the row `first_row + row`; about 13 us each."""
        # Philox counts up from its counter, so rows are 2^128 numbers apart.
        # (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3")
        counter = np.array([0, 0, self.first_row + row, self.step], np.uint64)
        key = np.array([self.seed, self.stream], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=counter))

    def from_row(self, row: int) -> "RowKeys":
        """The keys of the rows from `row` of these on."""
        return dataclasses.replace(self, first_row=self.first_row + row)
