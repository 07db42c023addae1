"""Training steps on batches that come from the host, where a data set does not fit on the device.

One dispatch is one step: at such sizes a step takes long beside a dispatch. The host reads ahead,
and the device computes while it does; only a batch that is not there makes both wait. Where a
submission chooses its examples by the losses of the step before, nothing can be read ahead: the
host asks the device for the next rows, and the trial waits for them.
"""

import collections
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.data.feed import Feed, HostBatch, Order
from algoperf_lite.data.plan import Shuffled
from algoperf_lite.data.source import Source
from algoperf_lite.spec import Array, Batch, PyTree
from algoperf_lite.training import compilation, compiled_steps, probe, snapshot, state_form, streams
from algoperf_lite.training.compiled_steps import Since, TrainState
from algoperf_lite.training.data_parallel import DataParallel
from algoperf_lite.training.probe import Reading
from algoperf_lite.training.selection import Chosen
from algoperf_lite.training.train_step import TrainStep

# Steps that are dispatched and not known to be done. Each holds a batch on the device.
_IN_FLIGHT = 2


class FedStepper:
    """Steps of one trial on batches of a feed; the interface of `native_stepper.NativeStepper`.

    Attributes:
      layout: the devices that share each batch.
    """

    def __init__(
        self,
        training: TrainStep,
        traced: Mapping[str, Array],
        source: Source,
        order: Order,
        num_workers: int,
        layout: DataParallel,
    ):
        """`num_workers` threads read `source` in `order`; their part of each batch is that of this
        process in `layout`."""
        self._training, self.layout, self._order, self._waited = training, layout, order, 0.0
        self._constants = layout.shared((dict(traced), np.uint32(order.seed)))
        self._feed = Feed(source, layout.part_of(order), num_workers, self._put)
        self._dispatched: collections.deque[Array] = collections.deque()
        self._look: jax.stages.Compiled | None = None
        self._choose: jax.stages.Compiled | None = None  # None: the order says which examples

    def compile(self, state: TrainState, free_bytes: int | None = None) -> bool:
        """Compiles ahead of time and executes once on a copy of `state`.

        Returns False as `NativeStepper.compile` does. Raises ValueError where a step would change
        the state's structure or types, or examples are chosen that cannot be read one by one;
        DataError where the first batch cannot be read.
        """
        self._compile_choice(state)
        batch, chosen = self._batch(0, state)
        since = np.zeros(state.loss_sum.shape, np.int32)
        arguments = (state, *self._constants, batch, chosen, since)
        step = jax.jit(self.layout.whole(self._step), donate_argnums=0)
        state_form.check_same(state, jax.eval_shape(step, *arguments)[0])
        self._compiled = compilation.compiled(step.lower(*arguments))
        if self._training.submission.eval_params is not None:
            arguments = (state, *self._constants, batch, np.int32(0), state.model_state)
            refreshed = jax.jit(self.layout.whole(self._training.refreshed))
            self._refreshed = compilation.compiled(refreshed.lower(*arguments))
        if not self.device_bytes().fits(free_bytes):
            return False
        jax.block_until_ready(self.advance(snapshot.copied(state), 0, 1))
        jax.block_until_ready(self.prepare_for_eval(state, 0))
        self._waited = 0.0
        if self._choose is None:
            self._feed.expect(0)
        return True

    def _compile_choice(self, state: TrainState) -> None:
        """Compiles the program that chooses examples, where the submission does."""
        arguments = (state, *self._constants)
        if jax.eval_shape(self._training.choose, *arguments) is None:
            return
        if not isinstance(self._order.plan, Shuffled):
            raise ValueError(
                f"submission {self._training.submission.name!r} chooses its examples by "
                f"data_selection, and workload {self._training.workload.name!r} reads batches here "
                "whose examples cannot be chosen one by one; leave one of the two out"
            )
        choose = jax.jit(self.layout.whole(self._training.choose))
        self._choose = compilation.compiled(choose.lower(*arguments))

    def device_bytes(self) -> compilation.DeviceBytes:
        """What a step needs, state and one batch included."""
        return compilation.device_bytes(self._compiled)

    def advance(
        self,
        state: TrainState,
        first_step: int,
        num_steps: int,
        beat: Callable[[], None] = lambda: None,
        since: Since | None = None,
    ) -> TrainState:
        """The state after steps `first_step` .. `first_step + num_steps - 1`, counted from 0.

        Consumes `state`; waits for batches, and for all but the last steps. `beat` is called once
        per step; `since` is that of a `NativeStepper`. Raises DataError where a batch cannot be
        read.
        """
        since = first_step if since is None else since
        since = self._placed(np.broadcast_to(np.int32(since), state.loss_sum.shape))
        for step in range(first_step, first_step + num_steps):
            batch, chosen = self._batch(step, state)
            state, token = self._compiled(state, *self._constants, batch, chosen, since)
            self._dispatched.append(token)
            if len(self._dispatched) > _IN_FLIGHT:
                self._dispatched.popleft().block_until_ready()
            beat()
        return state

    def prepare_for_eval(self, state: TrainState, step: int) -> tuple[PyTree, PyTree]:
        """(params, model_state) to evaluate after `step` steps, as `NativeStepper` has them."""
        if self._training.submission.eval_params is None:
            return state.params, state.model_state
        params, model_state = None, state.model_state
        has_statistics = bool(jax.tree.leaves(model_state))
        # Without statistics any batch will do, as none is looked at.
        for i in range(compiled_steps.REFRESHING_BATCHES if has_statistics else 1):
            batch = self._in_order(step + i)  # a wait that is no step's
            index = self._placed(i, self._refreshed, -2)
            params, model_state = self._refreshed(
                state, *self._constants, batch, index, model_state
            )
        if self._choose is None:
            self._feed.expect(step)  # training goes on with the same batches
        return params, model_state

    def probe(self, state: TrainState, step: int) -> Reading:
        """A look at a step that is not taken, as `NativeStepper` has it; its batch stays ahead."""
        if self._choose is None:
            arguments = (state, *self._constants, self._feed.peek(step), None)
        else:
            arguments = (state, *self._constants, *self._batch(step, state))
        if self._look is None:
            look = functools.partial(probe.readings, self._training)
            self._look = compilation.compiled(jax.jit(self.layout.whole(look)).lower(*arguments))
        return probe.read(self._look(*arguments), state.params)

    def take_waited(self) -> float:
        """Seconds, since it was last asked, that were spent on batches which were not there when
        the device had nothing else to do."""
        waited, self._waited = self._waited, 0.0
        return waited

    def rest(self) -> None:
        """Waits until all that is read ahead is there, so that no thread of the feed computes."""
        jax.block_until_ready(self._feed.rest())

    def close(self) -> None:
        """Ends the threads of the feed."""
        self._feed.close()

    def _step(
        self,
        state: TrainState,
        traced: Mapping[str, Array],
        seed: Array,
        batch: Batch,
        chosen: Chosen | None,
        since: Array,
    ) -> tuple[TrainState, Array]:
        """The next state, and a number to wait for: the state itself is the next step's."""
        loss_sum = jnp.where(state.step == since, 0.0, state.loss_sum)
        key = streams.step_key(seed, state.step)
        state = self._training.step(state._replace(loss_sum=loss_sum), traced, batch, key, chosen)
        return state, -state.step

    def _batch(self, step: int, state: TrainState) -> tuple[Batch, Chosen | None]:
        """The next step's batch, and how it was chosen."""
        chosen, get = None, self._feed.get
        if self._choose is not None:
            chosen = self._choose(state, *self._constants)
            # Rows that are not there have weights of NaN, so any others do in their place.
            last = self._order.plan.num_examples - 1
            rows = np.asarray(self.layout.own(chosen.rows)).astype(np.int64).clip(0, last)
            get = functools.partial(self._feed.read, picks=rows)
        elif self._feed.is_ready(step):
            return get(step), None
        # What is waited for from here on, the device waits for as well.
        jax.block_until_ready(state.step)
        began = time.perf_counter()
        batch = get(step)
        self._waited += time.perf_counter() - began
        return batch, chosen

    def _in_order(self, step: int) -> Batch:
        """A batch of the data's own order, whoever chooses those of the steps."""
        if self._choose is None:
            return self._feed.get(step)
        return self._feed.read(step, self._order.plan.picks(step))

    def _placed(self, number: int | np.ndarray, program: Any = None, argument: int = -1) -> Array:
        """A number, or several, where a program wants it as one of its last arguments."""
        place = (program or self._compiled).input_shardings[0][argument]
        return compiled_steps.put(np.asarray(number, np.int32), place)

    def _put(self, batch: HostBatch) -> Batch:
        return self.layout.put_batch(batch)
