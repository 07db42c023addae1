"""Many trials in one process: those of one contender on one workload, trained as a population.

Their curves are their own; their times are replayed. A step on a submission's clock takes what it
takes a trial alone, measured here before the population trains (`replayed_clock`); target, budget
and divergence end each trial on that clock as they end a trial on its own.

The process has one ledger. Its accounts cannot be told apart by trial, so each record gets an equal
share: the ledgers of an experiment then still add up to the time that was spent. The whole ledger
is beside it under "population", and is what the parent checks against the clock of the process.
Seconds on the submission's clock are no part of it; what they are made of is under "replay".
"""

import dataclasses
import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from algoperf_lite.machine.heartbeat import while_compiling
from algoperf_lite.population import chunk_size
from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.population.stepper import PopulationStepper
from algoperf_lite.storage import atomic
from algoperf_lite.submission.native import Submission
from algoperf_lite.training import native_stepper, train_step
from algoperf_lite.training.clock import Ledger, SingleTrialSeconds
from algoperf_lite.trial import attempts, logs, record, replayed_clock
from algoperf_lite.trial import run as trial_run
from algoperf_lite.trial import setup as trial_setup
from algoperf_lite.trial.forms.base import Heartbeat
from algoperf_lite.trial.forms.member import Member, Together
from algoperf_lite.trial.record import TrialRecord
from algoperf_lite.trial.recorder import Recorder
from algoperf_lite.trial.replayed_clock import ReplayedClock
from algoperf_lite.trial.run import Report
from algoperf_lite.trial.run import preload as preload
from algoperf_lite.trial.setup import TrialSetup
from algoperf_lite.trial.spec import TrialSpec


def work(payload: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Trials as one job of `executors`: {"specs", "num_processes", "started"} -> {"records"}.

    Records are in the order of the specs, and in their directories; {"disk_full": why} if full.
    """
    report(event="beat")
    return trial_run.unless_full(lambda: _work(payload, report))


def _work(payload: Mapping[str, Any], report: Report) -> dict[str, Any]:
    specs = [TrialSpec.from_json(content) for content in payload["specs"]]
    for spec in specs:  # they start again where they were interrupted: one ledger is theirs
        logs.set_aside(Path(spec.directory), keep=("output.txt", attempts.FILE))
    with while_compiling(lambda: report(event="beat")):
        found = run(specs, report, payload["started"], memory_share=1 / payload["num_processes"])
    report(event="closed")
    records = [each.to_json() for each in found]
    for spec, content in zip(specs, records, strict=True):
        atomic.write_json(Path(spec.directory) / "trial.json", content)
    return {"records": records}


@dataclasses.dataclass
class _Trial:
    """One of the trials, as far as it has come.

    Attributes:
      facts: fields of its record about submission and point.
      form: None until its group has started.
      end: fields of its record that its end decided; None while it trains.
    """

    spec: TrialSpec
    recorder: Recorder
    point: Mapping[str, Any] | None
    facts: dict[str, Any]
    form: Member | None = None
    end: dict[str, Any] | None = None
    population: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class _Group:
    """Trials whose hyperparameters differ in numbers only, so that one program serves them."""

    setup: TrialSetup
    submission: Submission
    static: Mapping[str, Any]
    trials: Sequence[_Trial]
    traced: Mapping[str, np.ndarray]  # (members,) each

    def point(self, member: int) -> dict[str, Any]:
        """The numbers of a member's point."""
        return {name: values[member] for name, values in self.traced.items()}


def run(
    specs: Sequence[TrialSpec],
    report: Report = lambda **event: None,
    started: float | None = None,
    now: Callable[[], float] = time.monotonic,
    memory_share: float = 1.0,
) -> list[TrialRecord]:
    """Trains, evaluates and logs all trials; returns their records, whatever happens to them.

    The trials must differ in study, trial and hyperparameters only. The other arguments are those
    of `run.run`.
    """
    clock, stage = Ledger(now, started), "setup"
    trials: list[_Trial] = []
    failed: dict[str, Any] = {}
    try:
        setup = trial_setup.prepare(specs[0], memory_share)
        recorders = [Recorder(spec, setup) for spec in specs]
        trial_setup.require_resident(setup)
        stage = "start"
        # Imported once for all: each trial is charged the whole of it, as it would be alone.
        clock.switch("init", setup.data)
        submission = trial_setup.load_submission(specs[0], setup)
        points = [trial_setup.point(spec, submission) for spec in specs]
        clock.switch("setup")
        import_seconds = clock.seconds("init")
        size = submission.batch_size(setup.workload)
        facts = [trial_setup.submission_facts(submission, point, size) for point in points]
        trials = [_Trial(*each) for each in zip(specs, recorders, points, facts, strict=True)]
        for group in _groups(setup, submission, trials):
            _train(group, clock, report, import_seconds, len(trials))
    except (Exception, SystemExit) as error:  # the experiment goes on
        if atomic.is_full(error):
            raise
        failed = {**record.failure(error), "stage": stage}
    return _records(specs, trials, failed, trial_run.closed(clock, report))


def _groups(
    setup: TrialSetup, submission: Submission, trials: Sequence[_Trial]
) -> Iterator[_Group]:
    """The trials in groups that one program can serve."""
    kinds: dict[str, list[_Trial]] = {}
    for trial in trials:
        traced, static = train_step.split_point(trial.point)
        types = {name: str(value.dtype) for name, value in traced.items()}
        kind = json.dumps([types, static], sort_keys=True, default=repr)
        kinds.setdefault(kind, []).append(trial)
    for members in kinds.values():
        _, static = train_step.split_point(members[0].point)
        traced = population_stepper.stacked_points([trial.point for trial in members])
        yield _Group(setup, submission, static, members, traced)


def _train(
    group: _Group, clock: Ledger, report: Report, import_seconds: float, num_trials: int
) -> None:
    """Trains a group; what ends it ends only the trials of this group that had not ended."""
    heartbeat = trial_run.throttled(report)
    try:
        together, single = _start(group, clock, import_seconds, heartbeat)
        _take_turns(group, together, single, clock, report, num_trials)
    except Exception as error:
        if atomic.is_full(error):
            raise
        for trial in group.trials:
            trial.end = trial.end or record.failure(error)


def _start(
    group: _Group, clock: Ledger, import_seconds: float, heartbeat: Heartbeat
) -> tuple[Together, SingleTrialSeconds]:
    """Measures one member alone, and chooses how all train together."""
    spec, setup, first = group.trials[0].spec, group.setup, group.point(0)
    training = trial_setup.training(spec, setup.workload, group.submission, group.static)
    seeds = [trial.spec.seed for trial in group.trials]
    models = [setup.initial(seed) for seed in seeds]
    clock.switch("compile", models)
    compiling, beginning = clock.seconds("compile"), clock.seconds("init")
    init = train_step.compiled_init(training, first, *models[0])
    clock.switch("init")
    states = [init(first, *models[0])]
    clock.switch("compile", states)
    init_seconds = import_seconds + clock.seconds("init") - beginning
    batches = [trial_setup.batches(setup.workload, group.submission, seed) for seed in seeds]
    way = spec.stepping_mode, trial_setup.steps_per_dispatch(spec, setup)
    native = native_stepper.NativeStepper(training, first, setup.data, batches[0], *way)
    native.compile(states[0])
    rate = trial_setup.learning_rate(training, first)
    is_finite = trial_setup.finiteness(models[0][0])
    heartbeat()
    clock.switch("setup")
    compile_seconds = clock.seconds("compile") - compiling
    period = max(1, round(setup.workload.step_hint / spec.num_evals))
    # Nothing else runs in this process meanwhile, so these are seconds of a trial alone.
    single = replayed_clock.measure(native, states[0], period, init_seconds, compile_seconds)
    heartbeat()
    clock.switch("init")
    states += [init(group.point(i), *models[i]) for i in range(1, len(models))]
    clock.switch("compile", states)
    candidates = chunk_size.Candidates(
        PopulationStepper(native.programs, batches, MemberSharding(len(states))),
        lambda layout: population_stepper.stepper(training, setup.data, batches, *way, layout),
        lambda stepper: stepper.population(states, group.traced),
        tuple(jax.local_devices()),
    )
    num_steps = min(setup.workload.step_hint, spec.max_global_steps or setup.workload.step_hint)
    seconds = single.seconds_per_step, num_steps, compile_seconds
    choice = chunk_size.choose(candidates, *seconds, setup.memory_share)
    together = Together(choice.stepper, candidates.population(choice.stepper))
    clock.switch("setup", together.members)
    stepping = {**trial_setup.stepping_facts(spec), **choice.to_json()}
    for i, trial in enumerate(group.trials):
        trial.facts |= {"stepping": stepping, "replay": dataclasses.asdict(single)}
        own_rate = None if rate is None else functools.partial(rate, group.point(i))
        trial.form = Member(together, i, trial.facts, is_finite, own_rate)
        trial.recorder.start(trial.facts, compile_seconds)
    return together, single


def _take_turns(
    group: _Group,
    together: Together,
    single: SingleTrialSeconds,
    clock: Ledger,
    report: Report,
    num_trials: int,
) -> None:
    """Trains from evaluation to evaluation until all members have ended.

    Each trial runs through the loop of all trials, `run.train`, which stops before each stretch of
    training; the stretch is then trained for all that have not ended.
    """
    values: list[float] = []
    heartbeat = trial_run.throttled(report)

    def told(**event: Any) -> None:
        values.extend(event[name] for name in event if name == "value")

    trainings = []
    for trial in group.trials:
        own_clock = ReplayedClock(clock, single, together, num_trials)
        trainings.append(trial_run.train(trial.form, trial.recorder, own_clock, told))
    before = clock.seconds("update_params")
    # A generator runs up to its first stretch of training, and says where that ends.
    stops = [next(training, None) for training in trainings]
    workload = group.setup.workload
    best = min if workload.lower_is_better else max
    while any(active := [stop is not None for stop in stops]):
        # All that still train have the same grid of evaluations, so the same stop.
        together.advance(max(filter(None, stops)), active, clock, heartbeat)
        for i in np.flatnonzero(active):
            stops[i] = next(trainings[i], None)
            if stops[i] is None:
                trial = group.trials[i]
                trial.end = trial.recorder.close(trial.form.facts())
            heartbeat()
        clock.switch("log")
        if values:
            report(
                event="progress",
                step=together.step,
                horizon=workload.step_hint,
                metric=workload.target_metric_name,
                value=best(values),
                members=len(stops),
                ended=stops.count(None),
            )
            values.clear()
    spent = clock.seconds("update_params") - before
    for trial in group.trials:
        trial.population = {
            "members": len(group.trials),
            "member_steps": together.member_steps,
            "seconds_per_member_step": spent / max(1, together.member_steps),
        }


def _records(
    specs: Sequence[TrialSpec],
    trials: Sequence[_Trial],
    failed: Mapping[str, Any],
    closed: Mapping[str, Any],
) -> list[TrialRecord]:
    """The trials' records: each has an equal share of the process's ledger."""
    num_trials = len(specs)
    share = {account: value / num_trials for account, value in closed["ledger"].items()}
    common = {**closed, "ledger": share, "timing": "replayed"}
    ledger = {"ledger": closed["ledger"]}
    if not trials:
        return [TrialRecord.of(s, **failed, **common, population=ledger) for s in specs]
    found = []
    for trial in trials:
        fields = {**trial.recorder.facts, **trial.facts, **(trial.end or failed), **common}
        fields["stage"] = record.stage(True, fields["steps"])
        fields["population"] = {**ledger, **trial.population}
        found.append(TrialRecord.of(trial.spec, **fields))
    return found
