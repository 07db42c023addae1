"""The order of training examples: the rows that each step sees."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from algoperf_lite.data.plan import check_fits, permutation

_MOST_EXAMPLES = np.iinfo(np.int32).max


@dataclasses.dataclass(frozen=True)
class Batches:
    """Data order: batch t is a pure function of (seed, t), so resuming needs only t.

    Each epoch is a fresh permutation made on the host; its tail shorter than a batch is dropped.
    Raises ValueError where a batch does not fit the split, and for a split of more examples than
    rows of 32 bits can name: its order is not permuted in memory, see `algoperf_lite.data.plan`.
    """

    num_examples: int
    batch_size: int
    seed: int
    # Each instance its own: members of a population must not drive out one another's.
    _order: Callable[[int, int, int], np.ndarray] = dataclasses.field(
        default_factory=lambda: functools.lru_cache(maxsize=2)(_permutation),
        init=False,
        repr=False,
        compare=False,
    )

    def __post_init__(self) -> None:
        check_fits(self.batch_size, self.num_examples)
        if self.num_examples > _MOST_EXAMPLES:
            raise ValueError(
                f"a training split of {self.num_examples} examples; one that lies on the device "
                f"has at most {_MOST_EXAMPLES}, and larger ones are read in parts"
            )

    def indices(self, first_step: int, num_steps: int) -> np.ndarray:
        """Rows of the training split for each step: int32 (num_steps, batch_size)."""
        per_epoch = self.num_examples // self.batch_size
        out = np.empty((num_steps, self.batch_size), np.int32)
        done = 0
        while done < num_steps:
            epoch, at = divmod(first_step + done, per_epoch)
            take = min(per_epoch - at, num_steps - done)
            rows = self._order(self.num_examples, self.seed, epoch)
            rows = rows[at * self.batch_size : (at + take) * self.batch_size]
            out[done : done + take] = rows.reshape(take, self.batch_size)
            done += take
        return out


def _permutation(num_examples: int, seed: int, epoch: int) -> np.ndarray:
    return permutation(num_examples, seed, epoch).astype(np.int32)
