"""One trial that is a population: its members train, are measured, and go on from the better ones.

What the trial's logs show is the leader: the member with the best fitness of the last generation,
the first member before there is one. An evaluation never chooses among members by what it is about
to measure, so a population gets no more bites at the target than a single trial. The clock is the
whole population's: every member's steps, and measuring their fitness.
"""

import dataclasses
import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from algoperf_lite import (
    checkpoints,
    lineage,
    population,
    population_progress,
    population_stepping,
    stepping,
    trial,
    trial_logs,
    trial_stage,
    tuning,
)
from algoperf_lite.clock import Ledger
from algoperf_lite.population_layout import Layout
from algoperf_lite.population_progress import Losses, Progress, Saved
from algoperf_lite.population_stepping import PopulationStepper
from algoperf_lite.spec import PyTree
from algoperf_lite.trial_books import Books, Report, evaluation_steps, off_clock, throttled
from algoperf_lite.trial_spec import TrialSpec
from algoperf_lite.trial_stage import Stage

_KEPT = ("output.txt",)  # being written to by this very process


def work(payload: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """A trial as a job of `executors`: its record is written to its directory and returned."""
    report(event="beat")
    trial_spec = TrialSpec.from_json(payload["spec"])
    record = run(trial_spec, report, started=payload["started"])
    report(event="closed")
    directory = Path(trial_spec.directory)
    trial_logs.write_json(directory / "trial.json", record)
    checkpoints.remove(directory)
    return record


def run(
    trial_spec: TrialSpec,
    report: Report = lambda **event: None,
    started: float | None = None,
    now: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """`trial.run` for a population; goes on from the last checkpoint that is in its directory."""
    return trial.run(trial_spec, report, started, now, train=_train)


@dataclasses.dataclass(frozen=True)
class _Actor:
    """A submission as a population, compiled and warmed up.

    Attributes:
      space: of its hyperparameters.
      learning_rate: of one member's hyperparameters and a step counted from 0.
      is_finite: of one member's parameters.
    """

    stepper: PopulationStepper
    space: Mapping[str, Any]
    learning_rate: Callable[[Mapping[str, Any], int], float] | None
    is_finite: Callable[[PyTree], bool]


def _train(trial_spec: TrialSpec, ledger: Ledger, record: dict[str, Any], report: Report) -> None:
    """The whole trial under the ledger's accounts; fills `record`."""
    stage = trial_stage.set_up(trial_spec)
    saved = population_progress.find(trial_spec)
    if saved is None:
        trial_logs.set_aside(Path(trial_spec.directory), keep=_KEPT)
    books = Books(trial_spec, stage, record, saved and saved.facts["books"])
    beat = throttled(report)
    beat()
    actor, progress = _start(books, stage, ledger, beat, saved)
    progress = _loop(books, stage, actor, progress, ledger, report)
    ledger.switch("eval")
    _finish(books, actor, progress, _fitness(books, stage, actor, progress, beat))
    books.close()


def _start(
    books: Books, stage: Stage, ledger: Ledger, beat: Callable[[], None], saved: Saved | None
) -> tuple[_Actor, Progress]:
    """Imports the submission and makes all first states on its clock, and compiles off it."""
    spec, workload = books.spec, stage.workload
    seeds = [tuning.member_seed(spec.seed, member) for member in range(spec.population.size)]
    models = [stage.initial(seed) for seed in seeds]
    ledger.switch("init", models, stage.data)
    entry = trial_stage.load_submission(spec)
    space = trial_stage.space(spec, entry)
    first = population.initial(space, spec.population, spec.seed)
    traced = population_stepping.stacked_points(first.points)
    training = stepping.Training(workload, entry)
    sizes = workload.num_train_examples, entry.batch_size(workload)
    batches = [stepping.Batches(*sizes, seed) for seed in seeds]
    ledger.switch("log")
    books.write_submission(entry, None, batches[0].batch_size)
    ledger.switch("compile")
    init = jax.jit(training.init).lower(_of(traced, 0), *models[0]).compile()
    beat()
    ledger.switch("init")
    states = [init(_of(traced, member), *model) for member, model in enumerate(models)]
    ledger.switch("compile", states)
    layout = _layout(len(seeds), saved)
    way = spec.stepping_mode, trial_stage.steps_per_dispatch(spec, workload)
    stepper = population_stepping.stepper(training, stage.data, batches, *way, layout)
    members = stepper.population(states, traced)
    stepper.compile(members)
    beat()
    rate = trial_stage.learning_rate(training, _of(traced, 0))
    actor = _Actor(stepper, space, rate, trial_stage.finiteness(models[0][0]))
    ledger.switch("log")
    books.record["stepping"] |= {
        "chunk_size": layout.chunk_size,
        "num_devices": layout.num_devices,
    }
    progress = population_progress.start(members, first)
    if saved is not None:
        values = population_stepping.stacked_points(saved.generations[-1].points)
        progress = population_progress.restored(
            saved, stepper.with_hyperparameters(members, values), layout
        )
        ledger.go_on_from(saved.facts["ledger"])
        books.record["earlier_wall"] = saved.facts["ledger"]["wall"]
    lineage.write(_lineage_path(spec), progress.generations)
    books.record["compile_seconds"] = ledger.seconds("compile")
    return actor, progress


def _loop(
    books: Books, stage: Stage, actor: _Actor, progress: Progress, ledger: Ledger, report: Report
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
            ledger.switch("checkpoint")
            population_progress.save(progress, books, actor.stepper.layout, ledger)
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
    books: Books, stage: Stage, actor: _Actor, progress: Progress, ledger: Ledger, report: Report
) -> Progress:
    """Evaluates and logs the leader; continues "prepare_for_eval"."""
    spec, stepper, step = books.spec, actor.stepper, progress.step
    leader = population.leader(progress.generations[-1])
    only_leader = [member == leader for member in range(spec.population.size)]
    prepared = stepper.prepare_for_eval(progress.population, step, only_leader)
    ledger.switch("eval", prepared)
    seconds = ledger.submission_seconds(spec.count_compile)
    if books.is_over_budget(seconds, step):
        return progress
    others = range(spec.population.size)  # one that is well will be copied: the trial goes on
    is_healthy = any(_is_well(actor, progress, member) for member in (leader, *others))
    row = books.evaluate(*stepper.member(prepared, leader), is_healthy)
    ledger.switch("log")
    if actor.learning_rate is not None:
        point = population_stepping.stacked_points(progress.generations[-1].points)
        row["learning_rate"] = actor.learning_rate(_of(point, leader), step - 1)
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
    books: Books,
    stage: Stage,
    actor: _Actor,
    progress: Progress,
    ledger: Ledger,
    beat: Callable[[], None],
) -> Progress:
    """The next generation, all of it on the clock but for its line in the lineage."""
    spec, stepper = books.spec, actor.stepper
    ledger.switch("fitness")
    fitness = _fitness(books, stage, actor, progress, beat)
    ledger.switch("update_params")
    generation = population.generation(
        progress.generations, progress.step, fitness, actor.space, spec.population, spec.seed
    )
    members = stepper.select(progress.population, generation.parents)
    points = population_stepping.stacked_points(generation.points)
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
    books: Books, stage: Stage, actor: _Actor, progress: Progress, beat: Callable[[], None]
) -> list[float | None]:
    """Each member's loss by the rules' measure, lower being better; None where it diverged."""
    stepper, workload = actor.stepper, stage.workload
    members = range(stepper.layout.num_members)
    well = [_is_well(actor, progress, member) for member in members]
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


def _finish(books: Books, actor: _Actor, progress: Progress, fitness: list[float | None]) -> None:
    """The last generation, which nobody goes on from, and its winner."""
    last = population.unchanged(progress.generations, progress.step, fitness)
    lineage.append(_lineage_path(books.spec), last)
    books.record["winner"] = None
    if any(value is not None for value in last.fitness):
        member = lineage.winner((*progress.generations, last))
        books.write_point(last.points[member])
        books.record["winner"] = {"member": member, "fitness": last.fitness[member]}


def _is_well(actor: _Actor, progress: Progress, member: int) -> bool:
    return actor.is_finite(actor.stepper.member(progress.population, member).state.params)


def _layout(num_members: int, saved: Saved | None) -> Layout:
    """As before, where the trial goes on: chunks change how numbers are rounded. Otherwise one
    member per processor, and all together on an accelerator."""
    devices = tuple(jax.local_devices())
    devices = devices if len(devices) > 1 else ()
    if saved is not None:
        return Layout(num_members, saved.facts["chunk_size"], devices)
    most = 1 if jax.default_backend() == "cpu" else num_members
    return Layout.even(num_members, most, devices)


def _lineage_path(spec: TrialSpec) -> Path:
    return Path(spec.directory) / lineage.FILE


def _of(traced: Mapping[str, np.ndarray], member: int) -> dict[str, np.ndarray]:
    """One member's part of values by hyperparameter."""
    return {name: values[member] for name, values in traced.items()}
