"""The native form: the harness steps an optax optimizer on its schedule in a compiled program."""

import bisect
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np

from algoperf_lite.data.feed import Order
from algoperf_lite.machine import memory
from algoperf_lite.spec import PyTree
from algoperf_lite.submission.native import Submission
from algoperf_lite.training import (
    collectives,
    microbatches,
    native_stepper,
    residency,
    snapshot,
    train_step,
)
from algoperf_lite.training.data_parallel import DataParallel
from algoperf_lite.training.fed_steps import FedStepper
from algoperf_lite.training.probe import Reading
from algoperf_lite.training.snapshot import Snapshot
from algoperf_lite.trial import setup as trial_setup
from algoperf_lite.trial import stops
from algoperf_lite.trial.forms.base import Advanced, Candidate, Form
from algoperf_lite.trial.setup import TrialSetup


class Native(Form):
    """A trial of a native submission, its batches spread over all devices."""

    _stepper: native_stepper.NativeStepper | FedStepper
    _state: train_step.TrainState
    _prepared: tuple[PyTree, PyTree]
    _since: Sequence[int]  # the step from which each sum of losses is taken
    _cuts: Sequence[int]  # see `stops.cuts`
    num_sums = 1  # of losses: one for each trial whose evaluations it serves, its own first
    _kept: tuple[int, list[np.ndarray]] | None = None  # steps done, and the state then

    def start(self, saved: Snapshot | None) -> None:
        """Imports the submission and makes its first state on the clock, compiles off it."""
        spec, setup, clock = self._spec, self._setup, self._clock
        params, model_state = setup.initial(spec.seed)
        clock.switch("init", params, model_state, setup.data)
        submission = trial_setup.load_submission(spec, setup)
        point = trial_setup.point(spec, submission)
        traced, static = train_step.split_point(point)
        training = trial_setup.training(spec, setup.workload, submission, static)
        clock.switch("setup")
        size = submission.batch_size(setup.workload)
        self._facts |= trial_setup.submission_facts(submission, point, size)
        _check_same_everywhere(setup, submission)
        order = Order.of_training(setup.source, size, spec.seed)
        layout = DataParallel.over(jax.devices(), len(order.plan.picks(0)))
        self._facts["stepping"] = {
            **trial_setup.stepping_facts(spec),
            "num_devices": layout.num_devices,
            "is_fed": setup.data is None,
        }
        # Placing data on the devices is the harness's work, so it is off the clock.
        params, model_state, data = layout.shared((params, model_state, setup.data))
        clock.switch("compile", params, model_state, data)
        init = train_step.compiled_init(training, traced, params, model_state, layout.spread)
        self._heartbeat()
        # The optimizer's first state is the submission's work, so it is on the clock.
        clock.switch("init")
        self._state = init(traced, params, model_state)
        clock.switch("compile", self._state)
        self._cuts = stops.cuts(spec, setup.whole_step_hint)
        if self.num_sums > 1:
            zeros = layout.shared(np.zeros(self.num_sums, np.float32))
            self._state = self._state._replace(loss_sum=zeros)

        def compiled(count: int) -> native_stepper.NativeStepper | FedStepper | None:
            cut = dataclasses.replace(training, microbatches=count)
            if data is None:
                readers = residency.num_readers()
                stepper = FedStepper(cut, traced, setup.source, order, readers, layout)
            else:
                per_dispatch = trial_setup.steps_per_dispatch(spec, setup)
                batches = trial_setup.batches(setup.workload, submission, spec.seed)
                way = batches, spec.stepping_mode, per_dispatch, layout
                stepper = native_stepper.NativeStepper(cut, traced, data, *way)
            if stepper.compile(self._state, self._free_bytes()):
                return stepper
            stepper.close()
            return None

        self._compile(compiled, len(order.plan.picks(0)))
        self._facts["step_bytes"] = dataclasses.asdict(self._stepper.device_bytes())
        self._heartbeat()
        self.training, self.traced = training, traced
        self._learning_rate = trial_setup.learning_rate(training, traced)
        self._is_finite = trial_setup.finiteness(layout.own(params))

    def _compile(
        self, compiled: Callable[[int], native_stepper.NativeStepper | None], batch_size: int
    ) -> None:
        """Makes the stepper, with as many microbatches as are asked for or as memory needs."""
        workload, config = self._setup.workload.name, self._spec.config
        model_state = self._state.model_state

        def check(count: int) -> None:
            microbatches.check(count, batch_size, model_state, workload, config.batch_norm)

        count = config.microbatches
        if count is None:
            self._stepper, count = microbatches.fewest(compiled, check)
        else:
            check(count)
            self._stepper = compiled(count)
        self._facts["stepping"]["microbatches"] = count

    def _free_bytes(self) -> int | None:
        """Memory of a device for a step beside what is there; None where it sets no number of
        microbatches."""
        config = self._spec.config
        if config.scale == "lite" or config.microbatches is not None:
            return None
        free = memory.free_device_memory()
        if free is None:
            return None
        # The warm-up steps a copy of the state. Processes must come to one conclusion.
        copied = sum(leaf.nbytes for leaf in jax.tree.leaves(self._state))
        return collectives.broadcast_from_first(free - copied)

    def advance(self, step: int, stop: int, since: Sequence[int] | None = None) -> Advanced:
        """Dispatches the steps; the device computes them while the caller waits. Losses are summed
        from `step` on, or each sum from its step of `since`."""
        self._since = [step] if since is None else since
        first = self._since[0] if self.num_sums == 1 else self._since
        inside = self._cuts[
            bisect.bisect_right(self._cuts, step) : bisect.bisect_left(self._cuts, stop)
        ]
        for start, end in itertools.pairwise([step, *inside, stop]):
            how = start, end - start, self._heartbeat, first
            self._state = self._stepper.advance(self._state, *how)
        return Advanced(stop, self._state)

    def prepare_for_eval(self, step: int) -> PyTree:
        """The trained parameters, unless the submission evaluates others (`eval_params`)."""
        # The account of the steps is closed by now; those that waited for data are in it.
        self._clock.move("update_params", "data_selection", self._stepper.take_waited())
        self._prepared = self._stepper.prepare_for_eval(self._state, step)
        return self._prepared

    def candidate(self, step: int, of: int = 0) -> Candidate:
        """This process's replica: every process evaluates, as waiting would take it as long. Its
        loss is of sum number `of`."""
        self._stepper.rest()
        params, model_state, trained = self._stepper.layout.own(
            (*self._prepared, self._state.params)
        )
        columns = {}
        # Steps count from 0 inside a schedule: this is the rate of the last step taken.
        if self._learning_rate is not None:
            columns["learning_rate"] = self._learning_rate(self.traced, step - 1)
        loss = self.loss_sums()[of] / (step - self._since[of])
        return Candidate(params, model_state, self._is_finite(trained), loss, columns)

    def probe(self, step: int) -> Reading:
        """The step that comes next, and a copy of the state to retrace from where all is well."""
        reading = self._stepper.probe(self._state, step)
        if reading.not_finite is None:
            self._kept = step, snapshot.host_copies(self._state)
        return reading

    def retrace(self, step: int) -> Iterator[tuple[int, Reading]]:
        """Takes the steps one by one, which may round otherwise than several in one program."""
        if self._kept is None:
            return
        since, arrays = self._kept
        state = snapshot.like(self._state, arrays)
        for before in range(since, step):
            yield before + 1, self._stepper.probe(state, before)
            state = self._stepper.advance(state, before, 1, self._heartbeat)

    def close(self) -> None:
        """Ends the threads that read ahead."""
        if hasattr(self, "_stepper"):  # not where it failed before
            self._stepper.close()

    def loss_sums(self) -> list[float]:
        """The sums of losses."""
        return np.ravel(self._state.loss_sum).tolist()

    def snapshot(self, step: int) -> Snapshot:
        """The training state; all else follows from spec and step."""
        return self._snapshot()

    def _snapshot(self, of: int = 0) -> Snapshot:
        """The same as the trial has it that sum number `of` is of."""
        return Snapshot(snapshot.host_arrays(self._with_sum(of)), {})

    def _with_sum(self, of: int) -> train_step.TrainState:
        if self.num_sums == 1:
            return self._state
        return self._state._replace(loss_sum=self._state.loss_sum[of])

    def restore(self, step: int, saved: Snapshot | None) -> None:
        """Puts the state in place, process 0's on every process."""
        own = self._with_sum(0)
        arrays = collectives.broadcast_arrays_from_first(
            saved and saved.arrays, snapshot.host_arrays(own)
        )
        self._state = snapshot.like(own, arrays)
        if self.num_sums > 1:
            self.put_sums([float(self._state.loss_sum)] * self.num_sums)

    def put_sums(self, sums: Sequence[float]) -> None:
        """Puts sums of losses in place."""
        numbers = self._stepper.layout.shared(np.array(sums, np.float32))
        self._state = self._state._replace(loss_sum=numbers)


def _check_same_everywhere(setup: TrialSetup, submission: Submission) -> None:
    """Raises ValueError where the processes of a trial would not compute the same."""
    collectives.check_same(
        {
            "submission": submission.sha256,
            "data set": setup.facts["data_sha256"],
            "versions of packages": setup.facts["versions"],
        }
    )
