"""Plans: which examples make which batch, as pure functions of the batch's number."""

import abc
import dataclasses
import functools

import numpy as np

_EPOCHS_KEPT = 2  # a worker may still read the last batches of one while the next begins


class Plan(abc.ABC):
    """The order of a split's examples; frozen, and without state that a resume would need."""

    @property
    @abc.abstractmethod
    def num_batches(self) -> int | None:
        """Batches of one pass; None where training goes on for ever."""

    @abc.abstractmethod
    def picks(self, t: int) -> np.ndarray:
        """The examples of batch `t`: int64 (rows,), the same for equal arguments for ever.

        (rows, k) where a row packs up to k examples, -1 in its places that are empty.
        """

    def weights(self, t: int) -> np.ndarray:
        """1 for a row that counts, 0 for padding: float32 (rows,). Default: all count."""
        return np.ones(len(self.picks(t)), np.float32)


@dataclasses.dataclass(frozen=True)
class Shuffled(Plan):
    """Training order: a fresh permutation of all examples in each epoch, its tail dropped.

    Raises ValueError where a batch does not fit the split.
    """

    num_examples: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        check_fits(self.batch_size, self.num_examples)

    @property
    def num_batches(self) -> None:
        """None: epochs follow one another."""
        return None

    def picks(self, t: int) -> np.ndarray:
        """Rows of the epoch's permutation: int64 (batch_size,)."""
        epoch, at = divmod(t, self.num_examples // self.batch_size)
        order = permutation(self.num_examples, self.seed, epoch)
        return order[at * self.batch_size : (at + 1) * self.batch_size]


@dataclasses.dataclass(frozen=True)
class Consecutive(Plan):
    """One pass in the split's own order; the last batch is filled by repeating the last example,
    with weight 0.

    A real row in place of zeros, which some models turn into NaN, and NaN times 0 is NaN.
    """

    num_examples: int
    batch_size: int

    @property
    def num_batches(self) -> int:
        """As many as hold all examples."""
        return -(-self.num_examples // self.batch_size)

    def picks(self, t: int) -> np.ndarray:
        """Neighbouring examples: int64 (batch_size,). Raises IndexError past the last batch."""
        return self._rows(t).clip(max=self.num_examples - 1)

    def weights(self, t: int) -> np.ndarray:
        """0 for the repeated ones: float32 (batch_size,)."""
        return (self._rows(t) < self.num_examples).astype(np.float32)

    def _rows(self, t: int) -> np.ndarray:
        if not 0 <= t < self.num_batches:
            raise IndexError(f"batch {t} of a pass of {self.num_batches}")
        return np.arange(t * self.batch_size, (t + 1) * self.batch_size, dtype=np.int64)


def check_fits(batch_size: int, num_examples: int) -> None:
    """Raises ValueError where a training split has not the examples of one batch."""
    if not 1 <= batch_size <= num_examples:
        raise ValueError(
            f"batch size {batch_size} does not fit a training split of "
            f"{num_examples} examples; choose 1 to {num_examples}"
        )


@functools.lru_cache(maxsize=_EPOCHS_KEPT)
def permutation(num_examples: int, seed: int, epoch: int) -> np.ndarray:
    """The examples of an epoch in their order: int64 (num_examples,), read-only."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, epoch]))
    order = rng.permutation(num_examples)
    order.setflags(write=False)  # it is shared by all who ask
    return order
