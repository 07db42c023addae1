"""The form of a trial: how one kind of submission trains.

`trial.run` owns the clock, the evaluations, the logs, the checkpoints and the end. A form says how
training advances between two evaluations, and what is evaluated.
"""

import abc
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from algoperf_lite.spec import PyTree
from algoperf_lite.training.clock import Ledger
from algoperf_lite.training.probe import Reading
from algoperf_lite.training.snapshot import Snapshot
from algoperf_lite.trial.setup import TrialSetup
from algoperf_lite.trial.spec import TrialSpec

Heartbeat = Callable[[], None]


class Advanced(NamedTuple):
    """How far a form came.

    Attributes:
      step: steps done so far.
      pending: arrays that have to be computed before the clock may be read.
      is_last: whether the submission ended its training by itself.
    """

    step: int
    pending: PyTree
    is_last: bool = False


class Candidate(NamedTuple):
    """The parameters that are evaluated, all on one device.

    Attributes:
      is_finite: False ends the trial as diverged.
      training_loss: mean over the steps since the last evaluation; None where the harness does not
        see it.
      columns: further cells of the evaluation's row, such as learning_rate.
    """

    params: PyTree
    model_state: PyTree
    is_finite: bool
    training_loss: float | None
    columns: Mapping[str, float]


class Form(abc.ABC):
    """One way to train.

    `start`, `advance` and `prepare_for_eval` run on the submission's clock; a form switches the
    clock's account itself where work inside them is off it, such as compilation.
    """

    def __init__(
        self, spec: TrialSpec, setup: TrialSetup, clock: Ledger, heartbeat: Heartbeat
    ) -> None:
        """Does nothing slow; `heartbeat` is to be called once per dispatch, as a sign of life."""
        self._spec, self._setup, self._clock, self._heartbeat = spec, setup, clock, heartbeat
        self._facts: dict[str, Any] = {}

    def environment(self) -> contextlib.AbstractContextManager[None]:
        """The context in which the submission is loaded and called."""
        return contextlib.nullcontext()

    @abc.abstractmethod
    def start(self, saved: Snapshot | None) -> None:
        """Imports the submission and makes the first state; compiles off the clock.

        `saved` is the snapshot that the trial will be restored to: a population compiles for the
        layout that it was taken in.
        """

    @abc.abstractmethod
    def advance(self, step: int, stop: int) -> Advanced:
        """Trains from `step` steps to `stop`; need not wait for the device."""

    @abc.abstractmethod
    def prepare_for_eval(self, step: int) -> PyTree:
        """Makes the parameters to evaluate; returns arrays that the clock must wait for."""

    @abc.abstractmethod
    def candidate(self, step: int) -> Candidate:
        """The parameters to evaluate after `step` steps, brought to one device off the clock.

        Raises RulesBroken where the submission made something else of its parameters.
        """

    def told(self, step: int, row: Mapping[str, float]) -> None:  # noqa: B027
        """Takes in the evaluation's row; only AlgoPerf's form lets its submission know."""

    @abc.abstractmethod
    def snapshot(self, step: int) -> Snapshot:
        """The state that training goes on from, right after an evaluation.

        Raises CannotCheckpoint where part of it cannot be kept.
        """

    @abc.abstractmethod
    def restore(self, step: int, saved: Snapshot | None) -> None:
        """Puts a snapshot's state in place; None where process 0 of several sends its own."""

    def probe(self, step: int) -> Reading | None:
        """A look inside after `step` steps, off the clock, which changes nothing of the training;
        None where a form has none."""
        return None

    def retrace(self, step: int) -> Iterator[tuple[int, Reading]]:
        """Looks at each step, numbered from 1, from the last `probe` where all was finite up to
        `step` steps, taken again for that; the trial has ended. Nothing where a form cannot."""
        return iter(())

    def finish(self, step: int) -> None:  # noqa: B027
        """Does what is left after the last evaluation, off the clock."""

    def close(self) -> None:  # noqa: B027
        """Ends what still runs, whatever happened to the trial."""

    def facts(self) -> dict[str, Any]:
        """Fields of the trial's record that are known so far; cheap, also after a failure."""
        return dict(self._facts)
