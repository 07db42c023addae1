"""Compiled training steps: how many a dispatch runs, for one member or for several together.

All modes of stepping (`modes`) have one interface. No step waits for the host: rows go to the
device for many steps at a time, and a step finds its own by its number.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, PyTree
from algoperf_lite.training import compilation, modes, snapshot, state_form, streams
from algoperf_lite.training.selection import Chosen

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


class CompiledSteps:
    """Steps for any state, hyperparameters, seed and rows of the shapes they are compiled for.

    The data set lies on the device, and so do the rows of the next batches; a step gathers its own.
    State buffers are donated. "single" and "loop" take one program; "scan" and "unrolled" take one
    of several steps and one of a single step, and a submission that evaluates other parameters
    takes one for those.
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

        `steps_per_dispatch` is the length of "loop" and "scan"; other modes have theirs. Where
        `choose` returns examples, these are a step's, and the rows that come from the host go
        unread.
        """
        if mode not in modes.MODES:
            raise ValueError(f"unknown stepping mode {mode!r}; expected one of {modes.MODES}")
        self.steps_per_dispatch = modes.steps_of(mode, max(1, steps_per_dispatch))
        self._evaluated, self._data, self._spread = evaluated, data, spread
        # Inlined, so that the programs are as they would be without; but it is traced once for all.
        self._step = jax.jit(functools.partial(_on_rows, step, choose), inline=True)
        several = {"loop": _looped_steps, "scan": _scanned_steps}.get(mode, _unrolled_steps)
        self._several = several if self.steps_per_dispatch > 1 else _one_step
        # Steps that do not fill a dispatch.
        self._rest = _looped_steps if self._several is _looped_steps else _one_step
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
        for program in dict.fromkeys((self._rest, self._several)):
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
        # A loop is one program of any length.
        num_steps = 1 if self._several is self._rest else self.steps_per_dispatch + 1
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
            window = self._window(rows, start, count, since)
            placed, span, sums = self._placed(self._rest, window)
            spans = {self.steps_per_dispatch: span}
            for program, length in self._dispatches(count):
                if length not in spans:
                    spans[length] = put(_span(start, length), span.sharding)
                arguments = (*constants, self._data, placed, spans[length], sums)
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

    def _dispatches(self, count: int) -> Iterator[tuple[Callable, int]]:
        """The programs that make `count` steps, in order, each with the length that it is told; all
        but a loop have one of their own."""
        length = self.steps_per_dispatch
        several, left = divmod(count, length)
        yield from itertools.repeat((self._several, length), several)
        if self._rest is not _looped_steps:
            yield from itertools.repeat((self._rest, length), left)
        elif left:
            yield self._rest, left

    def _window(
        self, rows: BatchIndices, first_step: int, count: int, since: Since
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The last arguments of a program: rows of the steps from `first_step` on, padded to the
        one shape that it is compiled for; that step and the length of a dispatch; and the steps
        that losses are summed from."""
        found = rows(first_step, count)
        *members, _, batch_size = found.shape
        padded = np.zeros((*members, self._steps_of_rows, batch_size), np.int32)
        padded[..., :count, :] = found
        span = _span(first_step, self.steps_per_dispatch)
        return padded, span, np.broadcast_to(np.int32(since), self._sums)

    def _placed(self, program: Callable, arguments: Sequence[np.ndarray]) -> list[Array]:
        """A program's last arguments on its devices."""
        places = _places(self._compiled[program], len(arguments))
        return [put(*pair) for pair in zip(arguments, places, strict=True)]


def _span(first_step: int, length: int) -> np.ndarray:
    """The step that the rows on the device begin with, and the steps that a loop makes."""
    return np.array([first_step, length], np.int32)


def _one_step(
    step: Callable,
    count: int,
    state: TrainState,
    traced: Any,
    seed: Array,
    data: Batch,
    rows: Array,
    span: Array,
    since: Array,
) -> TrainState:
    del count
    # Reset here, as a new zero from the host would be a transfer of its own.
    loss_sum = jnp.where(state.step == since, 0.0, state.loss_sum)
    row = jax.lax.dynamic_index_in_dim(rows, state.step - span[0], keepdims=False)
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


def _looped_steps(step: Callable, count: int, state: TrainState, *arguments: Any) -> TrainState:
    *_, span, _ = arguments
    # Under vmap a bound that members do not share would make every step a choice for each of them.
    return jax.lax.fori_loop(
        0, span[1], lambda _, state: _one_step(step, 1, state, *arguments), state
    )


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
