"""Data selection in a training step: a submission's rule, called, checked and told of losses.

A rule runs inside the compiled step, so what it costs is on the submission's clock. There nobody on
the host sees its answer: its form is checked when it is traced, and a row that is not there turns
the step's loss into NaN, which ends the trial as diverged.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from algoperf_lite.spec import Array, DataSelection, PyTree, Workload
from algoperf_lite.submission.native import Submission


class WrongRule(ValueError):
    """What a submission's `data_selection` returned is no rule, or one of another form."""


class Chosen(NamedTuple):
    """The examples of a step, as a rule has chosen them.

    Attributes:
      rows: int32 (batch size,).
      weights: float32 (batch size,), of their losses; NaN where one of the rows is none.
    """

    rows: Array
    weights: Array


@dataclasses.dataclass(frozen=True)
class Selector:
    """A submission's rule, for batches of one size from a split of one size."""

    submission: str
    rule: DataSelection
    num_examples: int
    batch_size: int

    @classmethod
    def of(cls, submission: Submission, workload: Workload, point: Any) -> "Selector | None":
        """The rule of a submission at a point; None where it chooses no examples of the workload.

        Raises WrongRule where `data_selection` returns something else.
        """
        if submission.data_selection is None:
            return None
        rule = submission.data_selection(workload, point)
        if rule is None:
            return None
        if not all(callable(getattr(rule, name, None)) for name in DataSelection._fields):
            raise WrongRule(
                f"data_selection of submission {submission.name!r} returns {rule!r:.80}; it must "
                "return a spec.DataSelection(init, select, update), or None for the usual order"
            )
        size = submission.batch_size(workload)
        return cls(submission.name, rule, workload.num_train_examples, size)

    def first_state(self) -> PyTree:
        """The rule's state before step 0.

        Raises WrongRule, one sentence, where `select` or `update` have another form than
        `DataSelection` says.
        """
        state = jax.tree.map(jnp.asarray, self.rule.init(self.num_examples))
        chosen = jax.eval_shape(self.choose, state, jax.random.key(0), jnp.int32(0))
        losses = jax.ShapeDtypeStruct(chosen.rows.shape, jnp.float32)
        after = jax.eval_shape(self.rule.update, state, chosen.rows, losses, jnp.int32(0))
        if _form(after) != _form(state):
            raise WrongRule(
                f"data_selection of submission {self.submission!r} has an update that returns "
                f"{_said(after)}; it must return a state of the form that init made: {_said(state)}"
            )
        return state

    def choose(self, state: PyTree, key: Array, step: Array) -> Chosen:
        """The examples of step number `step`, counted from 0. Raises WrongRule as `first_state`
        does."""
        found = self.rule.select(state, key, step)
        if not (isinstance(found, tuple) and len(found) == 2):
            raise self._refusal(f"returns {_said(found)}")
        rows, weights = found
        if weights is None:
            weights = jnp.ones(self.batch_size)
        for name, array, kind in (("rows", rows, jnp.integer), ("weights", weights, jnp.floating)):
            has_shape = isinstance(array, Array) and array.shape == (self.batch_size,)
            if not has_shape or not jnp.issubdtype(array.dtype, kind):
                raise self._refusal(f"returns {name} {_said(array)}")
        are_there = jnp.all((rows >= 0) & (rows < self.num_examples))
        weights = jnp.where(are_there, weights, jnp.nan)
        return Chosen(rows.astype(jnp.int32), weights.astype(jnp.float32))

    def updated(self, state: PyTree, chosen: Chosen, losses: Array, step: Array) -> PyTree:
        """The rule's state after a step, in which its examples had such `losses`, (batch size,)."""
        return self.rule.update(state, chosen.rows, losses, step)

    def _refusal(self, got: str) -> WrongRule:
        size = self.batch_size
        return WrongRule(
            f"data_selection of submission {self.submission!r} has a select that {got}; it must "
            f"return (rows, weights): integers ({size},), and floats ({size},) or None"
        )


def weighed(loss: Mapping[str, Array], weights: Array | None) -> tuple[Array, Array | tuple[()]]:
    """(summed loss, each example's part in it before it is weighted) of what `loss_fn` gives.

    Without weights the sum is the workload's own, and the second is empty.
    """
    if weights is None:
        return loss["summed"], ()
    # Tokens and assays of an example are parts of it: the example is chosen, and weighs, as one.
    parts = loss["per_example"].reshape(len(weights), -1).sum(axis=1)
    return (weights * parts).sum(), parts


def of_mean(parts: Array | tuple[()], num_valid: Array) -> Array | tuple[()]:
    """Parts in a summed loss as losses, whose mean is the batch's mean over `num_valid` targets."""
    return jax.tree.map(lambda part: part * (len(part) / num_valid), parts)


def _form(tree: PyTree) -> Any:
    return jax.tree.structure(tree), [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]


def _said(tree: Any) -> str:
    """A tree in words: types and shapes of its arrays."""

    def of(leaf: Any) -> str:
        has_form = hasattr(leaf, "shape") and hasattr(leaf, "dtype")
        return f"{leaf.dtype}{list(leaf.shape)}" if has_form else repr(leaf)

    leaves = [of(leaf) for leaf in jax.tree.leaves(tree)]
    return leaves[0] if len(leaves) == 1 else f"({', '.join(leaves)})"
