"""Data selection: what a workload says about its examples, and how a submission chooses among them.

A rule has the manner of an optax optimizer: pure functions and a state that the harness keeps, so
that it is checkpointed, copied and vectorized as the optimizer's state is.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

Array = jax.Array | np.ndarray
State = Any  # a tree of arrays, whatever a rule has to remember


@dataclasses.dataclass(frozen=True, eq=False)
class Groups:
    """The kinds that a workload's training examples fall into; it does not say what they are.

    Attributes:
      of_example: the kind of each training example, (num_train_examples,) integers from 0.
      num_groups: how many kinds there are.
    """

    of_example: np.ndarray
    num_groups: int

    @classmethod
    def by(cls, values: np.ndarray) -> "Groups":
        """Examples of equal `values`, (num_train_examples,), belong together, in sorted order."""
        kinds, of_example = np.unique(values, return_inverse=True)
        return cls(of_example.astype(np.int32), len(kinds))


class DataSelection(NamedTuple):
    """A rule that chooses the training examples of each step; its functions trace under `jit`,
    `vmap` and `scan`.

    Attributes:
      init: from the number of training examples to the state before step 0.
      select: (state, random key of the step, step) -> (rows, weights): the numbers of the step's
        examples, (batch size,) integers, and what multiplies their losses, (batch size,) floats,
        or None for 1. With weights 1 / (N p), where p is the probability that a row of N was drawn
        with, the weighted gradient has the mean of the gradient of all examples.
      update: (state, rows, losses, step) -> state, after the step. A loss is an example's part in
        the batch's mean, unweighted, times the batch size: their mean is the batch's.
    """

    init: Callable[[int], State]
    select: Callable[[State, Array, Array], tuple[Array, Array | None]]
    update: Callable[[State, Array, Array, Array], State]
