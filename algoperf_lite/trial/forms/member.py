"""The form of a trial that shares its process: one member of a group that is stepped together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from algoperf_lite.population.stepper import Population, PopulationStepper
from algoperf_lite.spec import PyTree
from algoperf_lite.training.clock import Ledger
from algoperf_lite.training.compiled_steps import TrainState
from algoperf_lite.training.snapshot import CannotCheckpoint, Snapshot
from algoperf_lite.trial.forms.base import Advanced, Candidate, Form, Heartbeat


class Together:
    """A group's members, their states, and how many steps they have taken."""

    def __init__(self, stepper: PopulationStepper, members: Population):
        self.stepper, self.members = stepper, members
        self.prepared: Sequence[tuple[PyTree, PyTree] | None] = ()
        self.step = self.num_evals = 0
        self.member_steps = 0  # of all members

    def advance(
        self, stop: int, active: Sequence[bool], clock: Ledger, heartbeat: Heartbeat
    ) -> None:
        """Trains the `active` members to `stop` steps, and prepares them to be evaluated."""
        num_steps = stop - self.step
        clock.switch("update_params")
        self.members = self.stepper.advance(self.members, self.step, num_steps, heartbeat, active)
        clock.switch("prepare_for_eval", self.members)
        self.prepared = self.stepper.prepare_for_eval(self.members, stop, active)
        self.step = stop
        self.num_evals += 1
        self.member_steps += num_steps * sum(active)

    def state(self, member: int) -> TrainState:
        """One member's training state."""
        return self.stepper.member(self.members, member).state


class Member(Form):
    """One of several trials that take turns: `Together.advance` has trained it already."""

    def __init__(
        self,
        together: Together,
        number: int,
        facts: Mapping[str, Any],
        is_finite: Callable[[PyTree], bool],
        learning_rate: Callable[[int], float] | None,
    ):
        """`number` is the member's place in its group; `facts` are fields of its record.

        `learning_rate` is that of a step counted from 0, at the member's point.
        """
        self._together, self._number = together, number
        self._facts, self._is_finite = dict(facts), is_finite
        self._learning_rate = learning_rate

    def start(self, saved: Snapshot | None) -> None:
        """Nothing: the whole group has been started."""

    def advance(self, step: int, stop: int) -> Advanced:
        """The group's step; the driver of the group has trained it to `stop`."""
        # A difference would evaluate one step's parameters under another step's number.
        assert self._together.step == stop, (self._together.step, stop)
        self._since = step
        return Advanced(stop, None)

    def prepare_for_eval(self, step: int) -> PyTree:
        """The group's prepared parameters."""
        return self._together.prepared

    def candidate(self, step: int) -> Candidate:
        """The member's parameters."""
        together, state = self._together, self._together.state(self._number)
        params, model_state = together.stepper.member(together.prepared, self._number)
        loss = float(state.loss_sum) / (step - self._since)
        rate = None if self._learning_rate is None else self._learning_rate(step - 1)
        columns = {} if rate is None else {"learning_rate": rate}
        return Candidate(params, model_state, self._is_finite(state.params), loss, columns)

    def snapshot(self, step: int) -> Snapshot:
        """Raises CannotCheckpoint: trials of one process have one ledger, and start again."""
        raise CannotCheckpoint("it shares its process with other trials")

    def restore(self, step: int, saved: Snapshot | None) -> None:
        """Raises CannotCheckpoint, as `snapshot` does."""
        raise CannotCheckpoint("it shares its process with other trials")
