"""Compiled training steps: how many a dispatch runs, for one member or for several together.

Three ways with one interface and the same numbers up to rounding: "loop", many steps per dispatch
in a device loop; "single", one jitted step per dispatch; "unrolled", a few steps written out in one
program. Which is fastest depends on machine and model: a loop saves dispatches, but XLA's CPU
backend runs convolutions inside loops 10 to 35 times slower (jax#12868); unrolling saves some of
them and compiles longer. A measurement decides (`calibration.calibrate`); nothing looks at names.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, PyTree
from algoperf_lite.training import compilation

MODES = ("loop", "single", "unrolled")
UNROLLED_STEPS = 4  # more would save little of a dispatch and compile for longer
REFRESHING_BATCHES = 8  # from which evaluated parameters gather running statistics of their own
# Streams of a trial's random numbers. They are apart, so that a change of one leaves the others.
INIT_STREAM, STEP_STREAM, OPTIMIZER_STREAM = 0, 1, 2

Constants = tuple[PyTree, Array]  # hyperparameters and seed
# (first step, steps) -> int32 (..., steps, batch size)
BatchIndices = Callable[[int, int], np.ndarray]
# (program, number of its arguments) -> the program for all members
Parallelize = Callable[[Callable, int], Callable]


class TrainState(NamedTuple):
    """The state between two steps. `loss_sum` adds up training losses since an advance began."""

    step: Array
    params: PyTree
    model_state: PyTree
    optimizer_state: PyTree
    loss_sum: Array


def key(seed: Array, stream: int) -> Array:
    """The random key of one of a trial's streams."""
    return jax.random.fold_in(jax.random.key(seed), stream)


def step_key(seed: Array, step: Array) -> Array:
    """The random key of step number `step`, counted from 0."""
    return jax.random.fold_in(key(seed, STEP_STREAM), step)


def batch_of(state: TrainState, seed: Array, data: Batch, row: Array) -> tuple[Batch, Array]:
    """The examples of a step, gathered, and its random key."""
    return jax.tree.map(lambda array: array[row], data), step_key(seed, state.step)


def single(program: Callable, num_arguments: int) -> Callable:
    """The `Parallelize` of a trial on its own."""
    del num_arguments
    return program


class CompiledSteps:
    """Steps for any state, hyperparameters, seed and rows of the shapes they are compiled for.

    The data set lies on the device; a dispatch is handed the rows of its batches and gathers them
    inside. State buffers are donated. One program is compiled; "unrolled" needs a second one for
    the steps that are left over, and a submission that evaluates other parameters one for those.
    """

    def __init__(
        self,
        step: Callable[..., TrainState],
        evaluated: Callable[..., tuple[PyTree, PyTree]] | None,
        data: Batch,
        mode: str,
        steps_per_dispatch: int,
        spread: Parallelize = single,
    ):
        """`step` and `evaluated` are those of `train_step.TrainStep`; `evaluated` is None where the
        trained parameters are evaluated.

        In modes "single" and "unrolled" `steps_per_dispatch` steps have their batches selected at
        a time.
        """
        if mode not in MODES:
            raise ValueError(f"unknown stepping mode {mode!r}; expected one of {MODES}")
        self._step, self._evaluated, self._data = step, evaluated, data
        self._mode, self._steps, self._spread = mode, max(1, steps_per_dispatch), spread
        self._compiled: dict[Callable, Callable[..., Any]] = {}

    def compile(self, state: TrainState, constants: Constants, rows: BatchIndices) -> None:
        """Compiles ahead of time; `state` and `constants` may be mere shapes.

        Raises ValueError where a step would change the state's structure or types.
        """
        for program, arguments in self._each_program(constants, rows):
            stepped = functools.partial(program, self._step)
            jitted = jax.jit(self._spread(stepped, 1 + len(arguments)), donate_argnums=0)
            _check_same_tree(state, jax.eval_shape(jitted, state, *arguments))
            self._compiled[program] = compilation.compiled(jitted.lower(state, *arguments))
        if self._evaluated is not None:
            arguments = (*constants, self._data, rows(0, REFRESHING_BATCHES))
            jitted = jax.jit(self._spread(self._evaluated, 1 + len(arguments)))
            lowered = jitted.lower(state, *arguments)
            self._compiled[self._evaluated] = compilation.compiled(lowered)

    def warm_up(self, state: TrainState, constants: Constants, rows: BatchIndices) -> None:
        """Executes everything once on a copy of `state`."""
        # The first execution of a program costs tens of milliseconds that belong to compilation.
        for program, arguments in self._each_program(constants, rows):
            copy = jax.tree.map(jnp.copy, state)
            jax.block_until_ready(self._compiled[program](copy, *arguments))
        jax.block_until_ready(self.evaluated(state, constants, rows, 0))

    def needed_bytes(self) -> int:
        """Memory of a device while the most demanding program runs, state and data included."""
        return self.device_bytes().total

    def device_bytes(self) -> compilation.DeviceBytes:
        """What the most demanding program needs, state and data included."""
        needs = map(compilation.device_bytes, self._compiled.values())
        return max(needs, key=lambda need: need.total)

    def advance(
        self,
        state: TrainState,
        constants: Constants,
        rows: BatchIndices,
        first_step: int,
        num_steps: int,
        beat: Callable[[], None],
    ) -> TrainState:
        """The state `num_steps` after `first_step`; consumes `state` and does not block."""
        assert self._compiled, "compile() comes before advance()"
        # numpy's zeros, whose transfer is part of the call; jnp's would be a dispatch of its own.
        state = state._replace(loss_sum=np.zeros(state.loss_sum.shape, np.float32))
        for start in range(first_step, first_step + num_steps, self._steps):
            count = min(self._steps, first_step + num_steps - start)
            for program, arguments in self._dispatches(constants, rows, start, count):
                state = self._compiled[program](state, *arguments)
            beat()
        return state

    def evaluated(
        self, state: TrainState, constants: Constants, rows: BatchIndices, step: int
    ) -> tuple[PyTree, PyTree]:
        """(params, model_state) to evaluate after `step` steps; does not block.

        They are the trained ones, at no cost, unless the submission says otherwise.
        """
        if self._evaluated is None:
            return state.params, state.model_state
        arguments = (*constants, self._data, rows(step, REFRESHING_BATCHES))
        return self._compiled[self._evaluated](state, *arguments)

    def _each_program(
        self, constants: Constants, rows: BatchIndices
    ) -> Iterator[tuple[Callable[..., TrainState], tuple[Any, ...]]]:
        enough = UNROLLED_STEPS + 1 if self._mode == "unrolled" else 1
        return self._dispatches(constants, rows, 0, enough)

    def _dispatches(
        self, constants: Constants, rows: BatchIndices, first_step: int, count: int
    ) -> Iterator[tuple[Callable[..., TrainState], tuple[Any, ...]]]:
        """(program, its arguments beside the state) for each dispatch of `count` steps."""
        # Rows go in as they are: the transfer of a few kilobytes is part of the call.
        indices = rows(first_step, count)
        fixed = (*constants, self._data)
        if self._mode == "loop":
            *members, _, batch_size = indices.shape
            padded = np.zeros((*members, self._steps, batch_size), np.int32)
            padded[..., :count, :] = indices  # to the one shape it is compiled for
            yield _looped_steps, (*fixed, padded, np.int32(count))
            return
        unrolled = count - count % UNROLLED_STEPS if self._mode == "unrolled" else 0
        for start in range(0, unrolled, UNROLLED_STEPS):
            yield _unrolled_steps, (*fixed, indices[..., start : start + UNROLLED_STEPS, :])
        for i in range(unrolled, count):
            yield _one_step, (*fixed, indices[..., i, :])


def _one_step(
    step: Callable, state: TrainState, traced: Any, seed: Array, data: Batch, row: Array
) -> TrainState:
    return step(state, traced, *batch_of(state, seed, data, row))


def _looped_steps(step: Callable, state: TrainState, *arguments: Any) -> TrainState:
    *constants, rows, count = arguments
    # A traced bound lets one program serve step 1, full dispatches and the shorter last one.
    return jax.lax.fori_loop(
        0, count, lambda i, state: _one_step(step, state, *constants, rows[i]), state
    )


def _unrolled_steps(step: Callable, state: TrainState, *arguments: Any) -> TrainState:
    *constants, rows = arguments
    for i in range(UNROLLED_STEPS):
        state = _one_step(step, state, *constants, rows[i])
    return state


def _check_same_tree(before: PyTree, after: PyTree) -> None:
    # A loop would refuse it in JAX's words, and a single step would compile again and again.
    if jax.tree.structure(before) != jax.tree.structure(after):
        raise ValueError(
            "a step changes the structure of the training state; the optimizer's update must "
            f"return the tree that its init made: got {jax.tree.structure(after)}, "
            f"expected {jax.tree.structure(before)}"
        )
    leaves = zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True)
    for (path, old), new in leaves:
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise ValueError(
                f"a step changes {jax.tree_util.keystr(path)} from {old.dtype}{list(old.shape)} to "
                f"{new.dtype}{list(new.shape)}; the optimizer's update must keep shapes and types"
            )
