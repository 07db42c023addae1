"""The order of training examples: the rows that each step sees."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

_LARGEST_PERMUTATION = 2**26  # examples: half a gigabyte of rows, made in seconds
_BLOCK = 2**14  # examples that lie, and are read, together
_GROUP = 2**21  # examples that are permuted among each other; several of the largest batches


@dataclasses.dataclass(frozen=True)
class Batches:
    """Data order: batch t is a pure function of (seed, t), so resuming needs only t.

    Each epoch is a fresh permutation made on the host; its tail shorter than a batch is dropped.
    Splits of more than `_LARGEST_PERMUTATION` examples are permuted in two levels, see `_group`.
    Raises ValueError where a batch does not fit the split.
    """

    num_examples: int
    batch_size: int
    seed: int
    # Each instance its own: members of a population must not drive out one another's.
    _permuted: Callable[[int, int, int, int], np.ndarray] = dataclasses.field(
        default_factory=lambda: functools.lru_cache(maxsize=2)(_part),
        init=False,
        repr=False,
        compare=False,
    )

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= self.num_examples:
            raise ValueError(
                f"batch size {self.batch_size} does not fit a training split of "
                f"{self.num_examples} examples; choose 1 to {self.num_examples}"
            )

    def indices(self, first_step: int, num_steps: int) -> np.ndarray:
        """Rows of the training split for each step: (num_steps, batch_size), int32 unless rows are
        too many for it."""
        per_epoch = self.num_examples // self.batch_size
        out = np.empty((num_steps, self.batch_size), _type_for(self.num_examples))
        done = 0
        while done < num_steps:
            epoch, at = divmod(first_step + done, per_epoch)
            take = min(per_epoch - at, num_steps - done)
            rows = self._rows(epoch, at * self.batch_size, (at + take) * self.batch_size)
            out[done : done + take] = rows.reshape(take, self.batch_size)
            done += take
        return out

    def _rows(self, epoch: int, start: int, stop: int) -> np.ndarray:
        """The rows at positions `start` .. `stop - 1` of an epoch's order."""
        size = self.num_examples if self.num_examples <= _LARGEST_PERMUTATION else _GROUP
        parts = []
        for part in range(start // size, -(-stop // size)):
            rows = self._permuted(self.num_examples, self.seed, epoch, part)
            parts.append(rows[max(0, start - part * size) : stop - part * size])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _part(num_examples: int, seed: int, epoch: int, part: int) -> np.ndarray:
    """A part of an epoch's order: all of it, unless the split is too large."""
    if num_examples > _LARGEST_PERMUTATION:
        return _group(num_examples, seed, epoch, part)
    rng = np.random.default_rng(np.random.SeedSequence([seed, epoch]))
    return rng.permutation(num_examples).astype(_type_for(num_examples))


def _group(num_examples: int, seed: int, epoch: int, group: int) -> np.ndarray:
    """One group of an order in two levels: blocks of consecutive examples in random order, and
    groups of blocks whose examples are permuted.

    So the host holds a group instead of all rows (34 GB for Criteo's), and reads whole blocks.
    """
    num_blocks = num_examples // _BLOCK  # beside the tail, which ends every epoch
    blocks = np.random.default_rng(np.random.SeedSequence([seed, epoch])).permutation(num_blocks)
    per_group = _GROUP // _BLOCK
    own = blocks[group * per_group : (group + 1) * per_group]
    rows = (own[:, None] * _BLOCK + np.arange(_BLOCK)).ravel()
    if len(own) < per_group:
        rows = np.concatenate([rows, np.arange(num_blocks * _BLOCK, num_examples)])
    # Not 0, which would be the numbers of the blocks again: a seed may end in zeros.
    rng = np.random.default_rng(np.random.SeedSequence([seed, epoch, 1 + group]))
    return rng.permutation(rows).astype(_type_for(num_examples))


def _type_for(num_examples: int) -> type[np.integer]:
    return np.int32 if num_examples <= np.iinfo(np.int32).max else np.int64
