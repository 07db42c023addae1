"""One trial's way through its steps, its data set on the device."""

import copy
from collections.abc import Callable, Mapping

import jax
import numpy as np

from algoperf_lite.spec import Array, Batch, PyTree
from algoperf_lite.training import compilation, compiled_steps, data_parallel, probe
from algoperf_lite.training.compiled_steps import Since, TrainState
from algoperf_lite.training.data_order import Batches
from algoperf_lite.training.data_parallel import DataParallel
from algoperf_lite.training.probe import Reading, Readings
from algoperf_lite.training.train_step import TrainStep


class NativeStepper:
    """Steps of one trial. `advance` is the interface that every way of stepping shares."""

    def __init__(
        self,
        training: TrainStep,
        traced: Mapping[str, Array],
        data: Batch,
        batches: Batches,
        mode: str,
        steps_per_dispatch: int,
        layout: DataParallel = data_parallel.SINGLE_DEVICE,
    ):
        """`data` holds the training split, placed by `layout.shared` as states have to be; `mode`
        and `steps_per_dispatch` >= 1 are those of `compiled_steps.CompiledSteps`."""
        self.programs = training.programs_over(
            data, mode, steps_per_dispatch, layout.spread, layout.spread_batch
        )
        self.layout, self._training, self._data = layout, training, data
        self._rows = batches.indices
        self._look: jax.stages.Compiled | None = None
        self._constants = layout.shared((dict(traced), np.uint32(batches.seed)))

    def with_hyperparameters(self, traced: Mapping[str, Array]) -> "NativeStepper":
        """The same steps at another point of the same names and types; nothing is compiled."""
        other = copy.copy(self)
        other._constants = (self.layout.shared(dict(traced)), self._constants[1])
        return other

    def compile(self, state: TrainState, free_bytes: int | None = None) -> bool:
        """Compiles ahead of time and executes once on a copy of `state`.

        Returns False, with nothing executed, where the programs need more than the `free_bytes` of
        a device beside state and data, which are there. Raises ValueError where a step would change
        the state's structure or types.
        """
        self.programs.compile(state, self._constants, self._rows, state.loss_sum.shape)
        if not self.device_bytes().fits(free_bytes):
            return False
        self.programs.warm_up(state, self._constants, self._rows)
        return True

    def advance(
        self,
        state: TrainState,
        first_step: int,
        num_steps: int,
        beat: Callable[[], None] = lambda: None,
        since: Since | None = None,
    ) -> TrainState:
        """The state after steps `first_step` .. `first_step + num_steps - 1`, counted from 0.

        Consumes `state` and does not block: the caller's clock must. `beat` is called once per
        dispatch, so that a watchdog sees progress. Losses are summed from `first_step` on, or from
        `since`.
        """
        return self.programs.advance(
            state, self._constants, self._rows, first_step, num_steps, beat, since
        )

    def prepare_for_eval(self, state: TrainState, step: int) -> tuple[PyTree, PyTree]:
        """(params, model_state) to evaluate after `step` steps; does not block.

        They are the trained ones, at no cost, unless the submission says otherwise.
        """
        return self.programs.evaluated(state, self._constants, self._rows, step)

    def probe(self, state: TrainState, step: int) -> Reading:
        """A look at step number `step`, counted from 0, which is not taken; `state` stays."""
        arguments = (state, *self._constants, self._data, self._rows(step, 1))
        if self._look is None:  # only who is asked for it pays for the program
            jitted = jax.jit(self.layout.spread(self._read, len(arguments)))
            self._look = compilation.compiled(jitted.lower(*arguments))
        return probe.read(self._look(*arguments), state.params)

    def _read(
        self, state: TrainState, traced: PyTree, seed: Array, data: Batch, rows: Array
    ) -> Readings:
        chosen = self.layout.spread_batch(self._training.choose(state, traced, seed))
        batch = compiled_steps.gathered(data, rows[0] if chosen is None else chosen.rows)
        return probe.readings(self._training, state, traced, seed, batch, chosen)

    def device_bytes(self) -> compilation.DeviceBytes:
        """What the most demanding program needs, state and data included."""
        return self.programs.device_bytes()

    def take_waited(self) -> float:
        """Seconds of waiting for data: none, as they lie on the device."""
        return 0.0

    def rest(self) -> None:
        """Nothing is read ahead."""

    def close(self) -> None:
        """Nothing is read ahead."""
