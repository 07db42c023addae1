"""Compiled training steps: how many a dispatch runs, for one member or for several together.

Three ways with one interface and the same numbers up to rounding: "scan", many steps per dispatch
in a device loop; "single", one jitted step per dispatch; "unrolled", a few steps written out in one
program. Which is fastest depends on machine and model: a loop saves dispatches, but XLA's CPU
backend runs convolutions inside loops 10 to 35 times slower (jax#12868); unrolling saves some of
them and compiles longer. A measurement decides (`calibration.calibrate`); nothing looks at names.

No step waits for the host. The loop's length is part of its program: with a bound that is only
known when it runs, XLA's GPU backend would ask the host before each step whether there is another.
And rows go to the device for many steps at a time; a step finds its own by its number.
"""

import functools
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, PyTree
from algoperf_lite.training import compilation, snapshot, state_form, streams
from algoperf_lite.training.selection import Chosen

MODES = ("scan", "single", "unrolled")
_FORMER_NAMES = {"loop": "scan"}  # in directories of experiments that were begun earlier
UNROLLED_STEPS = 4  # more would save little of a dispatch and compile for longer
# Steps whose rows go to the device together. Evaluations lie closer together at lite scale, and a
# larger piece would be padding.
_STEPS_OF_ROWS = 64
_BYTES_OF_ROWS = 2**22  # at most, where batches are of hundreds of thousands of examples
REFRESHING_BATCHES = 8  # from which evaluated parameters gather running statistics of their own

Constants = tuple[PyTree, Array]  # hyperparameters and seed
# (first step, steps) -> int32 (..., steps, batch size)
BatchIndices = Callable[[int, int], np.ndarray]
# (state, hyperparameters, seed) -> the examples of the next step; None where the rows say them
Choose = Callable[[Any, PyTree, Array], Chosen | None]
Since = int | Sequence[int]  # the step before which a loss sum begins, of each where it has several
# (program, number of its arguments) -> the program for all members
Parallelize = Callable[[Callable, int], Callable]


class TrainState(NamedTuple):
    """The state between two steps. `loss_sum` adds up training losses since an advance began, or
    has several sums, each since a step of its own; `selection` is that of the submission's
    `data_selection`, empty where it has none."""

    step: Array
    params: PyTree
    model_state: PyTree
    optimizer_state: PyTree
    loss_sum: Array
    selection: PyTree = ()


def gathered(data: Batch, row: Array) -> Batch:
    """The examples of a step, of which `row` has the numbers."""
    return jax.tree.map(lambda array: array[row], data)


def single(program: Callable, num_arguments: int) -> Callable:
    """The `Parallelize` of a trial on its own."""
    del num_arguments
    return program


def dispatch_length(most: int, periods: Collection[int]) -> int:
    """The length up to `most` with which such stretches of steps take the fewest dispatches; of
    several, the shortest.

    Steps that do not fill a dispatch are single ones, so the longest is not always the best.
    """
    lengths = range(1, max(1, min(most, max(periods))) + 1)
    return min(lengths, key=lambda length: sum(sum(divmod(steps, length)) for steps in periods))


def steps_of(mode: str, scanned: int) -> int:
    """Steps that a dispatch in `mode` makes, where one in "scan" makes `scanned`."""
    return {"scan": scanned, "single": 1, "unrolled": UNROLLED_STEPS}[mode]


class CompiledSteps:
    """Steps for any state, hyperparameters, seed and rows of the shapes they are compiled for.

    The data set lies on the device, and so do the rows of the next batches; a step gathers its own.
    State buffers are donated. A program of one step is compiled; "scan" and "unrolled" need another
    one, of several, and a submission that evaluates other parameters one for those.
    """

    def __init__(
        self,
        step: Callable[..., TrainState],
        evaluated: Callable[..., tuple[PyTree, PyTree]] | None,
        data: Batch,
        mode: str,
        steps_per_dispatch: int,
        spread: Parallelize = single,
        choose: Choose = lambda state, traced, seed: None,
    ):
        """`step` and `evaluated` are those of `train_step.TrainStep`; `evaluated` is None where the
        trained parameters are evaluated.

        `steps_per_dispatch` is the length of "scan"; other modes have theirs. Steps that are left
        over are single ones. Where `choose` returns examples, these are a step's, and the rows
        that come from the host go unread.
        """
        mode = _FORMER_NAMES.get(mode, mode)
        if mode not in MODES:
            raise ValueError(f"unknown stepping mode {mode!r}; expected one of {MODES}")
        self.steps_per_dispatch = steps_of(mode, max(1, steps_per_dispatch))
        self._evaluated, self._data, self._spread = evaluated, data, spread
        self._step = functools.partial(_on_rows, step, choose)
        several = _scanned_steps if mode == "scan" else _unrolled_steps
        self._several = several if self.steps_per_dispatch > 1 else _one_step
        self._compiled: dict[Callable, jax.stages.Compiled] = {}
        self._need: compilation.DeviceBytes | None = None
        self._sums: tuple[int, ...] = ()  # shape of the loss sums of one member
        self._steps_of_rows = self.steps_per_dispatch  # until compile() has seen how large rows are

    def compile(
        self, state: TrainState, constants: Constants, rows: BatchIndices, sums: Any = ()
    ) -> None:
        """Compiles ahead of time; `state` and `constants` may be mere shapes, and `sums` is the
        shape of a member's loss sums.

        Raises ValueError where a step would change the state's structure or types.
        """
        self._sums = sums
        # In whole dispatches, so that none of them lacks a row.
        most = min(_STEPS_OF_ROWS, _BYTES_OF_ROWS // rows(0, 1).nbytes)
        self._steps_of_rows *= max(1, most // self._steps_of_rows)
        shapes = self._window(rows, 0, 1, 0)
        for program in dict.fromkeys((_one_step, self._several)):
            arguments = (*constants, self._data, *shapes)
            stepped = functools.partial(program, self._step, self.steps_per_dispatch)
            jitted = jax.jit(self._spread(stepped, 1 + len(arguments)), donate_argnums=0)
            state_form.check_same(state, jax.eval_shape(jitted, state, *arguments))
            compiled = compilation.compiled(jitted.lower(state, *arguments))
            self._compiled[program] = compiled
            # One window serves all programs, so the others take it where the first one wants it.
            shapes = jax.tree.map(_placed_shape, shapes, _places(compiled, len(shapes)))
        if self._evaluated is not None:
            arguments = (*constants, self._data, rows(0, REFRESHING_BATCHES))
            jitted = jax.jit(self._spread(self._evaluated, 1 + len(arguments)))
            lowered = jitted.lower(state, *arguments)
            self._compiled[self._evaluated] = compilation.compiled(lowered)

    def warm_up(self, state: TrainState, constants: Constants, rows: BatchIndices) -> None:
        """Executes everything once on a copy of `state`."""
        # The first execution of a program costs tens of milliseconds that belong to compilation.
        state_then = snapshot.copied(state)
        num_steps = self.steps_per_dispatch + (self._several is not _one_step)
        jax.block_until_ready(self.advance(state_then, constants, rows, 0, num_steps))
        jax.block_until_ready(self.evaluated(state, constants, rows, 0))

    def device_bytes(self) -> compilation.DeviceBytes:
        """What the most demanding program needs, state and data included."""
        if self._need is None:  # kept, since XLA takes its time to say it
            needs = map(compilation.device_bytes, self._compiled.values())
            self._need = max(needs, key=lambda need: need.total)
        return self._need

    def advance(
        self,
        state: TrainState,
        constants: Constants,
        rows: BatchIndices,
        first_step: int,
        num_steps: int,
        beat: Callable[[], None] = lambda: None,
        since: Since | None = None,
    ) -> TrainState:
        """The state `num_steps` after `first_step`; consumes `state` and does not block.

        `beat` is called once per dispatch. Losses are summed from `first_step` on, or from `since`.
        """
        assert self._compiled, "compile() comes before advance()"
        stop = first_step + num_steps
        since = first_step if since is None else since
        for start in range(first_step, stop, self._steps_of_rows):
            count = min(self._steps_of_rows, stop - start)
            window = self._placed(_one_step, self._window(rows, start, count, since))
            arguments = (*constants, self._data, *window)
            for program in self._dispatches(count):
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
        [batches] = self._placed(self._evaluated, [rows(step, REFRESHING_BATCHES)])
        return self._compiled[self._evaluated](state, *constants, self._data, batches)

    def _dispatches(self, count: int) -> Iterator[Callable]:
        """The programs that make `count` steps, in order."""
        several, left = divmod(count, self.steps_per_dispatch)
        return itertools.chain(
            itertools.repeat(self._several, several), itertools.repeat(_one_step, left)
        )

    def _window(
        self, rows: BatchIndices, first_step: int, count: int, since: Since
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The last arguments of a program: rows of the steps from `first_step` on, padded to the
        one shape that it is compiled for; that step; and those that losses are summed from."""
        found = rows(first_step, count)
        *members, _, batch_size = found.shape
        padded = np.zeros((*members, self._steps_of_rows, batch_size), np.int32)
        padded[..., :count, :] = found
        return padded, np.int32(first_step), np.broadcast_to(np.int32(since), self._sums)

    def _placed(self, program: Callable, arguments: Sequence[np.ndarray]) -> list[Array]:
        """A program's last arguments on its devices."""
        places = _places(self._compiled[program], len(arguments))
        return [put(*pair) for pair in zip(arguments, places, strict=True)]


def _one_step(
    step: Callable,
    count: int,
    state: TrainState,
    traced: Any,
    seed: Array,
    data: Batch,
    rows: Array,
    first_step: Array,
    since: Array,
) -> TrainState:
    del count
    # Reset here, as a new zero from the host would be a transfer of its own.
    loss_sum = jnp.where(state.step == since, 0.0, state.loss_sum)
    row = jax.lax.dynamic_index_in_dim(rows, state.step - first_step, keepdims=False)
    return step(state._replace(loss_sum=loss_sum), traced, seed, data, row)


def _on_rows(
    step: Callable,
    choose: Choose,
    state: TrainState,
    traced: Any,
    seed: Array,
    data: Batch,
    row: Array,
) -> TrainState:
    """A step on its examples: those that are chosen, else those of `row`."""
    key, chosen = streams.step_key(seed, state.step), choose(state, traced, seed)
    if chosen is None:
        return step(state, traced, gathered(data, row), key)
    return step(state, traced, gathered(data, chosen.rows), key, chosen)


def _scanned_steps(step: Callable, count: int, state: TrainState, *arguments: Any) -> TrainState:
    def body(state: TrainState, _: None) -> tuple[TrainState, None]:
        return _one_step(step, 1, state, *arguments), None

    return jax.lax.scan(body, state, None, length=count)[0]


def _unrolled_steps(step: Callable, count: int, state: TrainState, *arguments: Any) -> TrainState:
    for _ in range(count):
        state = _one_step(step, 1, state, *arguments)
    return state


def _places(program: jax.stages.Compiled, count: int) -> tuple[jax.sharding.Sharding | None, ...]:
    """Where a program wants the last `count` of its arguments; None for what it does not use."""
    return program.input_shardings[0][-count:]


def _placed_shape(array: np.ndarray, place: jax.sharding.Sharding) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=place)


def put(array: np.ndarray, place: jax.sharding.Sharding | None) -> Array:
    """An argument that all processes have alike, where a program wants it."""
    if place is None or place.is_fully_addressable:
        return jax.device_put(array, place)
    # `device_put` would make sure that all processes have the same, which they would wait for.
    return jax.make_array_from_callback(array.shape, place, lambda index: array[index])
