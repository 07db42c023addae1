"""The clock of trials that train together: what each would have taken alone, measured once."""

import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

from algoperf_lite.training.clock import Ledger, SingleTrialSeconds
from algoperf_lite.training.compiled_steps import TrainState
from algoperf_lite.training.native_stepper import NativeStepper
from algoperf_lite.trial.forms.member import Together

_WARMUP_STEPS = 4  # tell about how long a step takes
_TURN_SECONDS = 0.1  # at most, unless a step takes longer
_TURNS = 9  # at least
_MEASURED_SECONDS = 0.6  # at least


def measure(
    stepper: NativeStepper,
    state: TrainState,
    period: int,
    init_seconds: float,
    compile_seconds: float,
    now: Callable[[], float] = time.perf_counter,
) -> SingleTrialSeconds:
    """Times a compiled trial's steps, `period` of them at a time as between two evaluations, on a
    copy of `state`; nothing else may run in this process meanwhile."""
    state = jax.block_until_ready(jax.tree.map(jnp.copy, state))
    step = 0

    def turn(num_steps: int) -> float:
        nonlocal state, step
        began = now()
        state = jax.block_until_ready(stepper.advance(state, step, num_steps))
        step += num_steps
        return (now() - began) / num_steps

    # Turns shorter than a period are of whole dispatches, or single steps would weigh too much.
    length = stepper.programs.steps_per_dispatch
    look = turn(length * max(1, round(_WARMUP_STEPS / length)))
    num_steps = min(period, length * max(1, round(_TURN_SECONDS / look / length)))
    turns: list[float] = []
    while len(turns) < _TURNS or sum(turns) * num_steps < _MEASURED_SECONDS:
        turns.append(turn(num_steps))
    prepared = []
    for _ in range(_TURNS):
        began = now()
        jax.block_until_ready(stepper.prepare_for_eval(state, step))
        prepared.append(now() - began)
    # Medians, as a shared machine only ever makes a turn slower.
    low, median, high = statistics.quantiles(turns, n=4)
    return SingleTrialSeconds(
        init_seconds,
        compile_seconds,
        median,
        statistics.median(prepared),
        (low, high),
        len(turns),
    )


class ReplayedClock:
    """The clock of one of `num_trials` trials that share a process and its ledger.

    Accounts are the process's. Seconds on the submission's clock are replayed: steps and
    evaluations so far, times what each takes a trial by itself.
    """

    def __init__(
        self,
        ledger: Ledger,
        single: SingleTrialSeconds,
        together: Together,
        num_trials: int,
    ):
        self._ledger, self._single, self._together = ledger, single, together
        self._num_trials = num_trials

    def switch(self, account: str, *pending: object) -> None:
        """Switches the process's ledger."""
        self._ledger.switch(account, *pending)

    def submission_seconds(self, count_compile: bool = False) -> float:
        """The replayed seconds; every evaluation so far has cost a `prepare_for_eval`."""
        step, num_evals = self._together.step, self._together.num_evals
        return self._single.seconds(step, num_evals, count_compile)

    def off_clock(self) -> dict[str, float]:
        """Columns of a log's row: an equal share of the process's."""
        columns = self._ledger.off_clock()
        return {name: seconds / self._num_trials for name, seconds in columns.items()}
