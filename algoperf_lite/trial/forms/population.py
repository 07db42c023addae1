"""One trial that is a population: its members train, are measured, and go on from the better ones.

What the trial's logs show is the leader: the member with the best fitness of the last generation,
the first member before there is one. An evaluation never chooses among members by what it is about
to measure, so a population gets no more bites at the target than a single trial. The clock is the
whole population's: every member's steps, and measuring their fitness.
"""

import functools
import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from algoperf_lite.population import evolution, lineage
from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.population.stepper import PopulationStepper
from algoperf_lite.training.clock import Ledger
from algoperf_lite.trial import resume
from algoperf_lite.trial import run as trial_run
from algoperf_lite.trial.forms import population_setup, population_state
from algoperf_lite.trial.forms.population_setup import PopulationSetup
from algoperf_lite.trial.forms.population_state import Losses, Progress
from algoperf_lite.trial.recorder import Recorder, Report, evaluation_steps, off_clock, throttled
from algoperf_lite.trial.resume import Attempt
from algoperf_lite.trial.setup import TrialSetup
from algoperf_lite.trial.spec import TrialSpec


def work(payload: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """A trial as a job of `executors`: its record is written to its directory and returned."""
    report(event="beat")
    trial_spec = TrialSpec.from_json(payload["spec"])
    train = functools.partial(
        run,
        trial_spec,
        report,
        payload["started"],
        memory_share=1 / payload["num_processes"],
        checkpoint_share=payload["checkpoint_share"],
    )
    return trial_run.recorded(trial_spec, report, train)


def run(
    trial_spec: TrialSpec,
    report: Report = lambda **event: None,
    started: float | None = None,
    now: Callable[[], float] = time.monotonic,
    memory_share: float = 1.0,
    checkpoint_share: float = 0.0,
) -> dict[str, Any]:
    """`trial.run.run` for a population; `memory_share` is the part of the machine that this process
    may have."""
    train = functools.partial(_train, memory_share)
    return trial_run.run(trial_spec, report, started, now, train, checkpoint_share)


def _train(
    memory_share: float,
    books: Recorder,
    stage: TrialSetup,
    attempt: Attempt,
    ledger: Ledger,
    report: Report,
) -> None:
    """The whole trial under the ledger's accounts; fills the books."""
    beat = throttled(report)
    actor, progress = population_setup.start(books, stage, ledger, beat, attempt, memory_share)
    lineage.write(_lineage_path(books.spec), progress.generations)
    keeper = resume.Checkpointer(books.spec, ledger, attempt)
    progress = _loop(books, stage, actor, progress, ledger, report, keeper)
    ledger.switch("eval")
    _finish(books, actor, progress, _fitness(books, stage, actor, progress, beat))


def _loop(
    books: Recorder,
    stage: TrialSetup,
    actor: PopulationSetup,
    progress: Progress,
    ledger: Ledger,
    report: Report,
    keeper: resume.Checkpointer,
) -> Progress:
    """Trains from evaluation to generation until target, budget or the divergence of all."""
    beat = throttled(report)
    for stop in _stops(books.spec, stage.workload.step_hint, progress.step):
        ledger.switch("update_params")
        progress = _advance(actor.stepper, progress, stop.step, beat)
        ledger.switch("prepare_for_eval", progress.population)
        if stop.is_evaluation:
            progress = _evaluate(books, stage, actor, progress, ledger, report)
            if books.is_over:
                break
        if stop.is_generation:
            progress = _evolve(books, stage, actor, progress, ledger, beat)
            state = functools.partial(population_state.kept, progress, books)
            keeper.keep(progress.step, state, books.so_far())
            beat()
    return progress


class _Stop(NamedTuple):
    """A step after which training pauses, and what for."""

    step: int
    is_evaluation: bool
    is_generation: bool


def _stops(spec: TrialSpec, horizon: int, after: int) -> Iterator[_Stop]:
    """All stops after a step up to the end of the budget; the end is an evaluation."""
    end, interval = spec.max_global_steps, spec.population.ready_interval
    evaluations = ((step, "evaluation") for step in evaluation_steps(horizon, spec.num_evals))
    generations = ((step, "generation") for step in itertools.count(interval, interval))
    both = itertools.groupby(heapq.merge(evaluations, generations), key=lambda stop: stop[0])
    for step, reasons in both:
        kinds = [kind for _, kind in reasons]
        if end is not None and step >= end:
            yield _Stop(end, True, False)
            return
        if step > after:
            yield _Stop(step, "evaluation" in kinds, "generation" in kinds)


def _advance(
    stepper: PopulationStepper, progress: Progress, step: int, beat: Callable[[], None]
) -> Progress:
    members = stepper.advance(progress.population, progress.step, step - progress.step, beat)
    sums = [np.ravel(chunk.state.loss_sum) for chunk in members]
    sums_M = np.concatenate(sums)[: stepper.layout.num_members].astype(float)
    evaluated, measured = (
        Losses(losses.since, losses.sums_M + sums_M)
        for losses in (progress.evaluated, progress.measured)
    )
    return Progress(step, members, progress.generations, evaluated, measured)


def _evaluate(
    books: Recorder,
    stage: TrialSetup,
    actor: PopulationSetup,
    progress: Progress,
    ledger: Ledger,
    report: Report,
) -> Progress:
    """Evaluates and logs the leader; continues "prepare_for_eval"."""
    spec, stepper, step = books.spec, actor.stepper, progress.step
    leader = evolution.leader(progress.generations[-1])
    only_leader = [member == leader for member in range(spec.population.size)]
    prepared = stepper.prepare_for_eval(progress.population, step, only_leader)
    ledger.switch("eval", prepared)
    seconds = ledger.submission_seconds(spec.count_compile)
    if books.is_over_budget(seconds, step):
        return progress
    others = range(spec.population.size)  # one that is well will be copied: the trial goes on
    is_healthy = any(actor.is_well(progress, member) for member in (leader, *others))
    row = books.evaluate(*stepper.member(prepared, leader), is_healthy)
    ledger.switch("log")
    rate = actor.learning_rate(progress, leader)
    if rate is not None:
        row["learning_rate"] = rate
    loss = float(progress.evaluated.mean_until(step)[leader])
    report(
        event="progress",
        step=step,
        horizon=stage.workload.step_hint,
        metric=stage.workload.target_metric_name,
        value=books.enter(row, loss, off_clock(ledger)),
    )
    nothing = Losses(step, np.zeros(spec.population.size))
    return progress._replace(evaluated=nothing)


def _evolve(
    books: Recorder,
    stage: TrialSetup,
    actor: PopulationSetup,
    progress: Progress,
    ledger: Ledger,
    beat: Callable[[], None],
) -> Progress:
    """The next generation, all of it on the clock but for its line in the lineage."""
    spec, stepper = books.spec, actor.stepper
    ledger.switch("fitness")
    fitness = _fitness(books, stage, actor, progress, beat)
    ledger.switch("update_params")
    generation = evolution.generation(
        progress.generations, progress.step, fitness, actor.space, spec.population, spec.seed
    )
    members = stepper.select(progress.population, generation.parents)
    points = population_stepper.stacked_points(generation.points)
    members = stepper.with_hyperparameters(members, points)
    ledger.switch("log", members)
    lineage.append(_lineage_path(spec), generation)
    parents, evaluated = list(generation.parents), progress.evaluated
    return Progress(
        progress.step,
        members,
        (*progress.generations, generation),
        Losses(evaluated.since, evaluated.sums_M[parents]),
        Losses(progress.step, np.zeros(len(parents))),
    )


def _fitness(
    books: Recorder,
    stage: TrialSetup,
    actor: PopulationSetup,
    progress: Progress,
    beat: Callable[[], None],
) -> list[float | None]:
    """Each member's loss by the rules' measure, lower being better; None where it diverged."""
    stepper, workload = actor.stepper, stage.workload
    members = range(stepper.layout.num_members)
    well = [actor.is_well(progress, member) for member in members]
    if books.spec.population.fitness == "training_loss":
        losses_M = progress.measured.mean_until(progress.step)
        return [float(losses_M[m]) if well[m] else None for m in members]
    prepared = stepper.prepare_for_eval(progress.population, progress.step)
    sign = 1.0 if workload.lower_is_better else -1.0
    found: list[float | None] = []
    for member in members:
        beat()
        if well[member]:
            row = stage.evaluate(*stepper.member(prepared, member), "validation")
            found.append(sign * float(row[f"validation/{workload.target_metric_name}"]))
        else:
            found.append(None)
    return found


def _finish(
    books: Recorder, actor: PopulationSetup, progress: Progress, fitness: list[float | None]
) -> None:
    """The last generation, which nobody goes on from, and its winner."""
    last = evolution.unchanged(progress.generations, progress.step, fitness)
    lineage.append(_lineage_path(books.spec), last)
    books.record["winner"] = None
    if any(value is not None for value in last.fitness):
        member = lineage.winner((*progress.generations, last))
        books.write_point(last.points[member])
        books.record["winner"] = {"member": member, "fitness": last.fitness[member]}


def _lineage_path(spec: TrialSpec) -> Path:
    return Path(spec.directory) / lineage.FILE
