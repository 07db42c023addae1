"""Microbatches: a batch in equal parts, one after another, whose gradients are added up.

Activations are then those of one part, and all that a batch needs is memory for one more gradient.
The result is the gradient of the mean over the whole batch up to rounding. Means of parts would be
something else: parts differ in how many labels they miss (a molecule's assays, padded tokens).

Batch norm is the exception: its statistics are of a whole batch. Where an experiment asks for it,
they are of each part, as AlgoPerf's devices have them of their own examples; running statistics are
then the mean over parts, which is what AlgoPerf's are when it has synchronised its devices.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from algoperf_lite.machine import out_of_memory
from algoperf_lite.spec import Array, Batch, PyTree
from algoperf_lite.training import selection

# (params, batch, random key) -> (summed loss, (valid examples, model state, each example's part)),
# the first two as `loss_fn` of a workload has them; the parts are () where nobody wants them
SummedLoss = Callable[[PyTree, Batch, Array], tuple[Array, tuple[Array, PyTree, Array | tuple[()]]]]
Stepper = TypeVar("Stepper")


def check(count: int, batch_size: int, model_state: PyTree, workload: str, batch_norm: str) -> None:
    """Raises ValueError, one sentence, where a batch cannot be cut into so many parts."""
    if count == 1:
        return
    if jax.tree.leaves(model_state) and batch_norm == "batch":
        raise ValueError(
            f"workload {workload!r} has batch norm, whose statistics are of a whole batch, which "
            f"can therefore not be cut into {count} parts; leave --microbatches out, use more "
            "memory, a smaller batch_size in the submission or --precision=bfloat16, or take "
            "those of each part, as AlgoPerf's devices do, by --batch_norm=parts"
        )
    if batch_size % count:
        raise ValueError(
            f"a batch of {batch_size} on workload {workload!r} cannot be cut into {count} equal "
            "parts; choose --microbatches among the divisors of the batch size"
        )


def value_and_grad(
    summed_loss: SummedLoss, model_state: PyTree, batch: Batch, key: Array, count: int
) -> Callable[[PyTree], tuple[tuple[Array, tuple[PyTree, PyTree]], PyTree]]:
    """From parameters to ((mean loss, (model state, losses of the examples)), gradient of the
    mean), as `jax.value_and_grad` has it.

    Args:
      model_state: that every part begins with; the result is the mean of what they end with.
      batch: arrays whose leading axis `count` divides.
      key: from which each part draws random numbers of its own.
    """
    parts = jax.tree.map(lambda array: _cut(array, count), batch)
    of_sum = jax.value_and_grad(summed_loss, has_aux=True)

    def of_mean(params: PyTree) -> tuple[tuple[Array, tuple[PyTree, PyTree]], PyTree]:
        def add(total: PyTree, numbered: tuple[Array, Batch]) -> tuple[PyTree, PyTree]:
            number, part = numbered
            found, own = _summed(of_sum(params, part, jax.random.fold_in(key, number)))
            return jax.tree.map(jnp.add, total, found), own

        # The types of the sums are those of the parts: a scan's carry must not change.
        shapes = jax.eval_shape(of_sum, params, jax.tree.map(lambda array: array[0], parts), key)
        nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), _summed(shapes)[0])
        total, own = jax.lax.scan(add, nothing, (jnp.arange(count), parts))
        (loss, (num_valid, states)), grads = total
        # As for a whole batch: without any label the gradient is 0, not NaN.
        num_valid = jnp.maximum(num_valid, 1)
        state = jax.tree.map(lambda s, old: (s / count).astype(old.dtype), states, model_state)
        losses = selection.of_mean(jax.tree.map(_joined, own), num_valid)
        return (loss / num_valid, (state, losses)), jax.tree.map(lambda g: g / num_valid, grads)

    return of_mean


def _summed(found: PyTree) -> tuple[PyTree, PyTree]:
    """(what is added up over parts, what is kept of each) of a `SummedLoss` and its gradient."""
    (loss, (num_valid, state, own)), grads = found
    return ((loss, (num_valid, state)), grads), own


def _joined(parts: Array) -> Array:
    """(batch, ...): the rows that `_cut` put into (count, batch / count, ...)."""
    return jnp.moveaxis(parts, 0, 1).reshape(-1, *parts.shape[2:])


def _cut(array: Array, count: int) -> Array:
    """(count, batch / count, ...): part i has the rows i, i + count, i + 2 count, ..."""
    # Not neighbouring rows: where a batch is spread over devices, each holds a stretch of it, and
    # so has its share of every part.
    return jnp.moveaxis(array.reshape(-1, count, *array.shape[1:]), 1, 0)


def fewest(
    compile_with: Callable[[int], Stepper | None], check_count: Callable[[int], None]
) -> tuple[Stepper, int]:
    """(the stepper with the fewest microbatches that fits into memory, their number).

    Args:
      compile_with: compiles for a number of microbatches; None where that would not fit.
      check_count: raises ValueError for a number that cannot be.
    Raises ValueError where a batch cannot be cut small enough.
    """
    count = 1
    while True:
        stepper = _unless_out_of_memory(compile_with, count)
        if stepper is not None:
            return stepper, count
        count *= 2
        check_count(count)


def _unless_out_of_memory(compile_with: Callable[[int], Any], count: int) -> Any:
    try:
        return compile_with(count)
    except jax.errors.JaxRuntimeError as error:
        # A TPU's compiler refuses a program that is too large; others plan it and say how large.
        if out_of_memory.said_by(str(error)) is None:
            raise
        return None
