"""Trials that one program can serve: put together, compiled, measured and ready to train."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from algoperf_lite.population import chunk_size
from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.population.stepper import Population, PopulationStepper
from algoperf_lite.spec import PyTree
from algoperf_lite.submission.native import Submission
from algoperf_lite.training import train_step
from algoperf_lite.training.clock import Ledger
from algoperf_lite.trial import replayed_clock, setup
from algoperf_lite.trial.recorder import Recorder
from algoperf_lite.trial.setup import TrialSetup

Beat = Callable[[], None]


@dataclasses.dataclass(frozen=True)
class Group:
    """Members whose hyperparameters differ in numbers only, so that one program serves them."""

    stage: TrialSetup
    training: train_step.TrainStep
    books: Sequence[Recorder]
    batches: Sequence[train_step.Batches]
    traced: Mapping[str, np.ndarray]  # (members,) each

    def point(self, member: int) -> dict[str, Any]:
        """The numbers of a member's point."""
        return {name: values[member] for name, values in self.traced.items()}


@dataclasses.dataclass(frozen=True)
class Ready:
    """What a group needs to train, compiled and measured."""

    stepper: PopulationStepper
    population: Population
    alone: replayed_clock.Alone
    learning_rate: Callable[[Mapping[str, Any], int], float] | None
    is_finite: Callable[[PyTree], bool]


def groups(
    stage: TrialSetup, entry: Submission, books: Sequence[Recorder], points: Sequence[Any]
) -> Iterator[Group]:
    """The members in groups that one program can serve."""
    kinds: dict[str, list[int]] = {}
    for i, point in enumerate(points):
        traced, static = train_step.split_point(point)
        types = {name: str(value.dtype) for name, value in traced.items()}
        kinds.setdefault(json.dumps([types, static], sort_keys=True, default=repr), []).append(i)
    workload = stage.workload
    sizes = workload.num_train_examples, entry.batch_size(workload)
    for members in kinds.values():
        _, static = train_step.split_point(points[members[0]])
        yield Group(
            stage,
            train_step.TrainStep(workload, entry, static),
            [books[i] for i in members],
            [train_step.Batches(*sizes, books[i].spec.seed) for i in members],
            population_stepper.stacked_points([points[i] for i in members]),
        )


def start(
    group: Group, ledger: Ledger, import_seconds: float, beat: Beat, memory_share: float
) -> Ready:
    """Measures one member alone, and chooses how all train together."""
    spec, stage, training, first = group.books[0].spec, group.stage, group.training, group.point(0)
    models = [stage.initial(book.spec.seed) for book in group.books]
    ledger.switch("compile", models)
    compiling, beginning = ledger.seconds("compile"), ledger.seconds("init")
    init = jax.jit(training.init).lower(first, *models[0]).compile()
    ledger.switch("init")
    states = [init(first, *models[0])]
    ledger.switch("compile", states)
    init_seconds = import_seconds + ledger.seconds("init") - beginning
    way = spec.stepping_mode, setup.steps_per_dispatch(spec, stage.workload)
    native = train_step.NativeStepper(training, first, stage.data, group.batches[0], *way)
    native.compile(states[0])
    rate = setup.learning_rate(training, first)
    is_finite = setup.finiteness(models[0][0])
    beat()
    ledger.switch("setup")
    compile_seconds = ledger.seconds("compile") - compiling
    period = max(1, round(stage.workload.step_hint / spec.num_evals))
    alone = replayed_clock.measure(native, states[0], period, init_seconds, compile_seconds)
    beat()
    ledger.switch("init")
    states += [init(group.point(i), *models[i]) for i in range(1, len(models))]
    ledger.switch("compile", states)
    one_by_one = PopulationStepper(native.programs, group.batches, MemberSharding(len(states)))
    candidates = chunk_size.Candidates(
        one_by_one,
        lambda layout: population_stepper.stepper(
            training, stage.data, group.batches, *way, layout
        ),
        lambda stepper: stepper.population(states, group.traced),
        tuple(jax.local_devices()),
    )
    num_steps = min(stage.workload.step_hint, spec.max_global_steps or stage.workload.step_hint)
    choice = chunk_size.choose(
        candidates, alone.seconds_per_step, num_steps, compile_seconds, memory_share
    )
    population = candidates.population(choice.stepper)
    ledger.switch("log", population)
    for book in group.books:
        book.record |= {"compile_seconds": compile_seconds, "replay": dataclasses.asdict(alone)}
        book.record["stepping"] |= choice.to_json()
    return Ready(choice.stepper, population, alone, rate, is_finite)
