"""THE loop: one trial from its first second to its record, whichever way it trains.

The loop owns the clock, the evaluations, the logs, the checkpoints and the end. A form (`forms`)
says how training advances between two evaluations, and what is evaluated.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import workloads
from algoperf_lite.machine import memory
from algoperf_lite.machine.heartbeat import while_compiling
from algoperf_lite.storage import atomic
from algoperf_lite.training import collectives
from algoperf_lite.training.clock import Ledger
from algoperf_lite.trial import attempts, racing, record, resume
from algoperf_lite.trial.diagnostics import Diagnostics
from algoperf_lite.trial.forms.algoperf import AlgoPerf
from algoperf_lite.trial.forms.base import Form
from algoperf_lite.trial.forms.native import Native
from algoperf_lite.trial.forms.population import Population
from algoperf_lite.trial.racing import Best
from algoperf_lite.trial.record import TrialRecord
from algoperf_lite.trial.recorder import Recorder, Verdict
from algoperf_lite.trial.resume import Checkpointer
from algoperf_lite.trial.setup import prepare
from algoperf_lite.trial.spec import TrialSpec
from algoperf_lite.trial.stops import evaluation_steps
from algoperf_lite.trial.trunk import Trunk, sharing

Report = Callable[..., None]
# TrialSpec.form names one of these.
FORMS = {"native": Native, "algoperf": AlgoPerf, "population": Population}
_HEARTBEAT_SECONDS = 1.0


preload = workloads.preload  # what a template loads, before a submission is there


def work(payload: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """A trial as a job of `executors`; its record is in its directory, and returned.

    Args:
      payload: {"spec", "started", "checkpoint_share"}; "num_processes", between which the
        machine's memory is shared, for a population; "race", whether it may be outrun; "branches",
        specs of trials that it trains with it.
    Returns {"disk_full": why} where there was no room to write.
    """
    report(event="beat")
    spec = TrialSpec.from_json(payload["spec"])
    return recorded(
        spec,
        report,
        started=payload["started"],
        checkpoint_share=payload["checkpoint_share"],
        memory_share=1 / payload.get("num_processes", 1),
        race=payload.get("race", False),
        branches=tuple(map(TrialSpec.from_json, payload.get("branches", ()))),
    )


def recorded(spec: TrialSpec, report: Report, **how: Any) -> dict[str, Any]:
    """`run`, its record written to the trial's directory; {"disk_full": why} without room."""

    def whole() -> dict[str, Any]:
        found = run(spec, report, **how).to_json()
        report(event="closed")
        atomic.write_json(Path(spec.directory) / "trial.json", found)
        return found

    return unless_full(whole)


def unless_full(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of `work`; {"disk_full": why} where it had no room to write."""
    try:
        return work()
    except Exception as error:
        if not atomic.is_full(error):
            raise
        return {"disk_full": str(error)}


def run(
    spec: TrialSpec,
    report: Report = lambda **event: None,
    started: float | None = None,
    now: Callable[[], float] = time.monotonic,
    checkpoint_share: float = 0.0,
    memory_share: float = 1.0,
    race: bool = False,
    branches: Sequence[TrialSpec] = (),
) -> TrialRecord:
    """Trains, evaluates and logs a trial; returns its record, whatever happens to it.

    Goes on from where an earlier attempt in the same directory stopped, see `resume`.

    Args:
      report: called with event="beat" as a sign of life and event="progress" at evaluations.
      started: reading of `now` at which the trial's wall time began.
      checkpoint_share: part of the wall time that checkpoints may take; 1 for one at each
        evaluation.
      memory_share: part of the machine's memory that this process may have.
      race: whether it ends once another trial of its study has outrun it, see `racing`.
      branches: trials that do the same up to some step, which it trains with it, see `trunk`.
    Raises OSError where the disk is full: the trial's checkpoints stay.
    """
    clock = Ledger(now, started, barrier=collectives.barrier())
    began = time.time() - (0.0 if started is None else max(0.0, time.monotonic() - started))
    # Of several processes that train one trial together, only the first writes checkpoints.
    share = checkpoint_share if collectives.is_first() else 0.0
    attempt = resume.begin(spec, share, began)
    report = attempts.alive(Path(spec.directory), report)
    recorder = form = None
    try:
        beat = throttled(report)
        with while_compiling(beat):
            setup = prepare(spec, memory_share, lambda: report(event="beat"))
            setup = sharing(setup) if branches else setup
        # Before the submission is imported: what it replaces of the harness has to show.
        against = {"outrun_by": functools.partial(_outrun_by, spec)} if race else {}
        recorder = Recorder(spec, setup, attempt, **against)
        report(event="beat")
        around = spec, setup, clock, beat
        form = Trunk(*around, branches) if branches else FORMS[spec.form](*around)
        with form.environment():
            with while_compiling(beat):
                form.start(attempt.snapshot)
            step = attempt.resume(form, clock)
            recorder.start(form.facts(), clock.seconds("compile"))
            checkpointer = Checkpointer(spec, clock, attempt)
            for _ in train(form, recorder, clock, report, checkpointer, step):
                pass
        end = recorder.close(form.facts())
    # The trial ends with a status; the experiment goes on. A file that calls `sys.exit` is no
    # process that was ended.
    except (Exception, SystemExit) as error:
        if atomic.is_full(error):
            raise
        end = record.failure(error)
    finally:
        if form is not None:
            form.close()
    # After a failure the record says as much as was known by then.
    found = {} if recorder is None else recorder.facts
    found |= {} if form is None else form.facts()
    found["stage"] = record.stage(form is not None, found.get("steps", 0))
    return TrialRecord.of(spec, **{**found, **end}, **closed(clock, report))


def _outrun_by(spec: TrialSpec, seconds: float, step: int) -> Best | None:
    """`racing.outrun_by` as process 0 sees it: all that train one trial stop at the same step."""
    found = racing.outrun_by(Path(spec.directory), seconds, step)
    told = collectives.broadcast_from_first(None if found is None else dataclasses.asdict(found))
    return None if told is None else Best(**told)


def train(
    form: Form,
    recorder: Recorder,
    clock: Ledger,
    report: Report,
    checkpointer: Checkpointer | None = None,
    step: int = 0,
) -> Iterator[int]:
    """Trains from evaluation to evaluation until target, budget, divergence or the last step.

    Yields the step that is trained to next, before it is: trials of one process take turns there.
    `step` steps are done already.
    """
    spec, workload = recorder.spec, recorder.workload
    beat = functools.partial(report, event="beat")
    diagnostics = Diagnostics(spec, form, clock, beat)
    diagnostics.begin(step)
    for stop in evaluation_steps(workload.step_hint, spec.num_evals):
        if stop <= step:
            continue
        stop = min(stop, spec.max_global_steps or stop)
        yield stop
        # Each switch waits for the arrays it is handed, so that an account is charged for its own
        # work and for nothing that was dispatched before it.
        clock.switch("update_params")
        advanced = form.advance(step, stop)
        step = advanced.step
        clock.switch("prepare_for_eval", advanced.pending)
        pending = form.prepare_for_eval(step)
        clock.switch("eval", pending)
        seconds = clock.submission_seconds(spec.config.count_compile)
        evaluation = recorder.evaluate(step, seconds, form.candidate, beat)
        # Clocks of several processes differ a little, and all must stop at the same step.
        verdict = Verdict(collectives.broadcast_from_first(evaluation.verdict.value))
        clock.switch("log")
        if evaluation.row:  # there is none where it could not count
            times = clock.off_clock()
            value = recorder.log(evaluation, times)
            report(
                event="progress",
                step=step,
                horizon=workload.step_hint,
                metric=workload.target_metric_name,
                value=value,
            )
            form.told(step, recorder.told(evaluation, times))
            diagnostics.look(step, evaluation.training_loss)
        if verdict.is_end or advanced.is_last:
            break
        if checkpointer is not None:  # trials that share a ledger have no checkpoints
            checkpointer.maybe_save(step, form.snapshot, recorder.state)
    if recorder.has_diverged:
        recorder.explain(diagnostics.cause(step))
    clock.switch("eval")
    form.finish(step)


def closed(clock: Ledger, report: Report) -> dict[str, Any]:
    """Fields of the record that are known once the clock has stopped."""
    peak, peak_on_device = memory.peak_memory(), memory.peak_device_memory()
    # From here to the event "closed", a wait for a core does not count as a gap in the ledger.
    report(event="closing")
    return {
        "peak_memory_bytes": peak,
        "peak_device_memory_bytes": peak_on_device,
        "ledger": clock.close(),  # the parent checks it against the stamps of both events
        "earlier_wall": clock.earlier_wall,
    }


def throttled(report: Report) -> Callable[[], None]:
    """A heartbeat for forms, which reports a sign of life at most once a second."""
    last = time.monotonic()

    def heartbeat() -> None:
        nonlocal last
        if time.monotonic() - last >= _HEARTBEAT_SECONDS:
            last = time.monotonic()
            report(event="beat")

    return heartbeat
