"""One trial, start to finish: one submission, workload, hyperparameter point and seed."""

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from algoperf_lite.machine import memory
from algoperf_lite.spec import Array, PyTree
from algoperf_lite.storage import atomic
from algoperf_lite.submission import find, native
from algoperf_lite.training import collectives, snapshot, train_step
from algoperf_lite.training.clock import Ledger
from algoperf_lite.training.data_parallel import DataParallel
from algoperf_lite.trial import attempts, resume, setup
from algoperf_lite.trial.forms import algoperf
from algoperf_lite.trial.record import blank_record, failure
from algoperf_lite.trial.recorder import Recorder, Report, evaluation_steps, off_clock, throttled
from algoperf_lite.trial.resume import Attempt
from algoperf_lite.trial.setup import TrialSetup
from algoperf_lite.trial.spec import Course, TrialSpec

Train = Callable[[Recorder, TrialSetup, Attempt, Ledger, Report], None]


def work(payload: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """A trial as a job of `executors`: its record is written to its directory and returned."""
    report(event="beat")
    trial_spec = TrialSpec.from_json(payload["spec"])
    share = payload["checkpoint_share"]
    return recorded(
        trial_spec,
        report,
        lambda: run(trial_spec, report, started=payload["started"], checkpoint_share=share),
    )


def recorded(
    trial_spec: TrialSpec, report: Report, run: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The record of a trial, which is then in its directory; {"disk_full": why} without room."""
    return unless_full(lambda: _record(trial_spec, report, run))


def unless_full(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of `work`; {"disk_full": why} where it had no room to write."""
    try:
        return work()
    except Exception as error:
        if not atomic.is_full(error):
            raise
        return {"disk_full": str(error)}


def _record(
    trial_spec: TrialSpec, report: Report, run: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    record = run()
    report(event="closed")
    atomic.write_json(Path(trial_spec.directory) / "trial.json", record)
    return record


def run(
    trial_spec: TrialSpec,
    report: Report = lambda **event: None,
    started: float | None = None,
    now: Callable[[], float] = time.monotonic,
    train: Train | None = None,
    checkpoint_share: float = 0.0,
) -> dict[str, Any]:
    """Trains, evaluates and logs; returns the trial's record, whatever happens to the trial.

    Goes on from where an earlier attempt in the same directory stopped, see `resume`.

    Args:
      train: trains and evaluates under the ledger's accounts; fills the books.
      report: called with event="beat" as a sign of life and event="progress" at evaluations.
      started: reading of `now` at which the trial's wall time began.
      checkpoint_share: of the wall time, that checkpoints may take; 1 for one at each evaluation.
    Raises OSError where the disk is full: what the trial had kept stays.
    """
    ledger = Ledger(now, started, barrier=collectives.barrier())
    record = blank_record(trial_spec)
    began = time.time() - (0.0 if started is None else max(0.0, time.monotonic() - started))
    share = checkpoint_share if collectives.is_first() else 0.0
    attempt = resume.begin(trial_spec, share, began)
    report = attempts.alive(Path(trial_spec.directory), report)
    try:
        stage = setup.prepare(trial_spec)
        books = Recorder(trial_spec, stage, record, attempt)
        report(event="beat")
        (train or _train_of(trial_spec))(books, stage, attempt, ledger, report)
        books.close()
    except Exception as error:  # the trial ends with a status; the experiment goes on
        if atomic.is_full(error):
            raise
        record |= failure(error)
    record["peak_memory_bytes"] = memory.peak_memory()
    record["ledger"] = ledger.close()  # checked by `experiment`, against a clock of its own
    record["earlier_wall"] = ledger.earlier_wall
    return record


@dataclasses.dataclass(frozen=True)
class _Stretch:
    """Steps at one point, until the next stretch begins."""

    first_step: int
    stepper: train_step.NativeStepper
    learning_rate: Callable[[int], float] | None  # of a step counted from 0


@dataclasses.dataclass(frozen=True)
class _Actor:
    """A submission, compiled and warmed up."""

    state: train_step.TrainState
    stretches: tuple[_Stretch, ...]
    is_finite: Callable[[PyTree], bool]

    def at(self, step: int) -> _Stretch:
        """The stretch that the step number `step`, counted from 0, belongs to."""
        return max(
            (stretch for stretch in self.stretches if stretch.first_step <= step),
            key=lambda stretch: stretch.first_step,
        )


def _train_of(trial_spec: TrialSpec) -> Train:
    """How a submission of its form trains."""
    path = find.locate(trial_spec.submission)
    return algoperf.train if find.steps_in_python(path) else _train


def _train(
    books: Recorder, stage: TrialSetup, attempt: Attempt, ledger: Ledger, report: Report
) -> None:
    """A native submission's trial."""
    actor, step = _gone_on(_start(books, stage, ledger, report), attempt)
    attempt.go_on(ledger)
    books.record["compile_seconds"] = ledger.seconds("compile")
    keeper = resume.Checkpointer(books.spec, ledger, attempt)
    _loop(books, stage, actor, ledger, report, step, keeper)


def _gone_on(actor: _Actor, attempt: Attempt) -> tuple[_Actor, int]:
    """The actor where an earlier attempt of process 0 stopped, and after how many steps."""
    step = collectives.broadcast_from_first(0 if attempt.saved is None else attempt.saved.step)
    if step == 0:
        return actor, 0
    leaves = None if attempt.saved is None else attempt.saved.leaves
    leaves = collectives.broadcast_arrays_from_first(leaves, snapshot.host_arrays(actor.state))
    return dataclasses.replace(actor, state=snapshot.like(actor.state, leaves)), step


def _start(books: Recorder, stage: TrialSetup, ledger: Ledger, report: Report) -> _Actor:
    """Imports the submission and makes its first state on its clock, and compiles off it."""
    trial_spec, workload = books.spec, stage.workload
    params, model_state = stage.initial(trial_spec.seed)
    ledger.switch("init", params, model_state, stage.data)
    entry = setup.load_submission(trial_spec)
    course = setup.course(trial_spec, entry)
    traced, static = train_step.split_point(course[0][1])
    training = train_step.TrainStep(workload, entry, static)
    batches = train_step.Batches(
        workload.num_train_examples, entry.batch_size(workload), trial_spec.seed
    )
    ledger.switch("log")
    books.write_submission(entry, course[0][1], batches.batch_size)
    _check_same(stage, entry)
    layout = DataParallel.over(jax.devices(), batches.batch_size)
    books.record["stepping"] |= {"num_devices": layout.num_devices}
    ledger.switch("setup")
    params, model_state, data = layout.shared((params, model_state, stage.data))
    ledger.switch("compile", params, model_state, data)
    init = jax.jit(layout.spread(training.init, 3)).lower(traced, params, model_state).compile()
    report(event="beat")
    ledger.switch("init")
    state = init(traced, params, model_state)
    ledger.switch("compile", state)
    stepper = train_step.NativeStepper(
        training,
        traced,
        data,
        batches,
        trial_spec.stepping_mode,
        setup.steps_per_dispatch(trial_spec, workload),
        layout,
    )
    stepper.compile(state)
    report(event="beat")
    rate = setup.learning_rate(training, traced)
    is_finite = setup.finiteness(layout.own(params))
    ledger.switch("log")
    return _Actor(state, tuple(_stretches(course, stepper, rate)), is_finite)


def _check_same(stage: TrialSetup, entry: native.Submission) -> None:
    """Raises ValueError where the processes of a trial would not compute the same."""
    collectives.check_same(
        {
            "submission": entry.sha256,
            "data set": stage.facts["data_sha256"],
            "versions of packages": stage.facts["versions"],
        }
    )


def _stretches(
    course: Course,
    stepper: train_step.NativeStepper,
    rate: Callable[[Mapping[str, Any], int], float] | None,
) -> Iterator[_Stretch]:
    """What a course makes of a stepper and a learning rate; nothing is compiled."""
    for first_step, point in course:
        traced, _ = train_step.split_point(point)
        own_rate = None if rate is None else functools.partial(rate, traced)
        yield _Stretch(first_step, stepper.with_hyperparameters(traced), own_rate)


def _loop(
    books: Recorder,
    stage: TrialSetup,
    actor: _Actor,
    ledger: Ledger,
    report: Report,
    step: int,
    keeper: resume.Checkpointer,
) -> None:
    """Trains from evaluation to evaluation until target, budget or divergence."""
    trial_spec, workload, state = books.spec, stage.workload, actor.state
    beat = throttled(report)
    for next_step in evaluation_steps(workload.step_hint, trial_spec.num_evals):
        if next_step <= step:
            continue
        next_step = min(next_step, trial_spec.max_global_steps or next_step)
        ledger.switch("update_params")
        state, losses = _advance(actor, state, step, next_step, beat)
        ledger.switch("prepare_for_eval", state)
        stretch = actor.at(next_step - 1)
        params, model_state = stretch.stepper.prepare_for_eval(state, next_step)
        ledger.switch("eval", params, model_state)
        # Every process evaluates its own replica, as waiting would take it as long.
        params, model_state, trained = stretch.stepper.layout.own(
            (params, model_state, state.params)
        )
        seconds = ledger.submission_seconds(trial_spec.count_compile)
        training_loss = sum(map(float, losses)) / (next_step - step)
        step = next_step
        if collectives.broadcast_from_first(books.is_over_budget(seconds, step)):
            break
        row = books.evaluate(params, model_state, actor.is_finite(trained))
        ledger.switch("log")
        if stretch.learning_rate is not None:
            row["learning_rate"] = stretch.learning_rate(step - 1)
        value = books.enter(row, training_loss, off_clock(ledger))
        report(
            event="progress",
            step=step,
            horizon=workload.step_hint,
            metric=workload.target_metric_name,
            value=value,
        )
        if collectives.broadcast_from_first(books.is_over):
            break
        keeper.keep(step, functools.partial(_kept, state), books.so_far())


def _kept(state: train_step.TrainState) -> tuple[list[Any], dict[str, Any]]:
    """What a native trial's future depends on, beside its step."""
    return snapshot.host_arrays(state), {}


def _advance(
    actor: _Actor, state: train_step.TrainState, step: int, end: int, beat: Callable[[], None]
) -> tuple[train_step.TrainState, list[Array]]:
    """The state after `end` steps, and sums of the training losses on the way; does not block."""
    starts = (stretch.first_step for stretch in actor.stretches)
    stops = [step, *(start for start in starts if step < start < end), end]
    losses = []
    for first, last in itertools.pairwise(stops):
        state = actor.at(first).stepper.advance(state, first, last - first, beat)
        losses.append(state.loss_sum)
    return state, losses
