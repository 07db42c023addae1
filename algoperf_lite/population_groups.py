"""Trials that one program can serve: put together, compiled, measured and ready to train."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from algoperf_lite import chunking, population_stepping, replay, stepping, trial_stage
from algoperf_lite.clock import Ledger
from algoperf_lite.population_layout import Layout
from algoperf_lite.population_stepping import Population, PopulationStepper
from algoperf_lite.spec import PyTree
from algoperf_lite.submission import Submission
from algoperf_lite.trial_books import Books
from algoperf_lite.trial_stage import Stage

Beat = Callable[[], None]


@dataclasses.dataclass(frozen=True)
class Group:
    """Members whose hyperparameters differ in numbers only, so that one program serves them."""

    stage: Stage
    training: stepping.Training
    books: Sequence[Books]
    batches: Sequence[stepping.Batches]
    traced: Mapping[str, np.ndarray]  # (members,) each

    def point(self, member: int) -> dict[str, Any]:
        """The numbers of a member's point."""
        return {name: values[member] for name, values in self.traced.items()}


@dataclasses.dataclass(frozen=True)
class Ready:
    """What a group needs to train, compiled and measured."""

    stepper: PopulationStepper
    population: Population
    alone: replay.Alone
    learning_rate: Callable[[Mapping[str, Any], int], float] | None
    is_finite: Callable[[PyTree], bool]


def groups(
    stage: Stage, entry: Submission, books: Sequence[Books], points: Sequence[Any]
) -> Iterator[Group]:
    """The members in groups that one program can serve."""
    kinds: dict[str, list[int]] = {}
    for i, point in enumerate(points):
        traced, static = stepping.split_point(point)
        types = {name: str(value.dtype) for name, value in traced.items()}
        kinds.setdefault(json.dumps([types, static], sort_keys=True, default=repr), []).append(i)
    workload = stage.workload
    sizes = workload.num_train_examples, entry.batch_size(workload)
    for members in kinds.values():
        _, static = stepping.split_point(points[members[0]])
        yield Group(
            stage,
            stepping.Training(workload, entry, static),
            [books[i] for i in members],
            [stepping.Batches(*sizes, books[i].spec.seed) for i in members],
            population_stepping.stacked_points([points[i] for i in members]),
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
    way = spec.stepping_mode, trial_stage.steps_per_dispatch(spec, stage.workload)
    native = stepping.NativeStepper(training, first, stage.data, group.batches[0], *way)
    native.compile(states[0])
    rate = trial_stage.learning_rate(training, first)
    is_finite = trial_stage.finiteness(models[0][0])
    beat()
    ledger.switch("setup")
    compile_seconds = ledger.seconds("compile") - compiling
    period = max(1, round(stage.workload.step_hint / spec.num_evals))
    alone = replay.measure(native, states[0], period, init_seconds, compile_seconds)
    beat()
    ledger.switch("init")
    states += [init(group.point(i), *models[i]) for i in range(1, len(models))]
    ledger.switch("compile", states)
    one_by_one = PopulationStepper(native.programs, group.batches, Layout(len(states)))
    candidates = chunking.Candidates(
        one_by_one,
        lambda layout: population_stepping.stepper(
            training, stage.data, group.batches, *way, layout
        ),
        lambda stepper: stepper.population(states, group.traced),
        tuple(jax.local_devices()),
    )
    num_steps = min(stage.workload.step_hint, spec.max_global_steps or stage.workload.step_hint)
    choice = chunking.choose(
        candidates, alone.seconds_per_step, num_steps, compile_seconds, memory_share
    )
    population = candidates.population(choice.stepper)
    ledger.switch("log", population)
    for book in group.books:
        book.record |= {"compile_seconds": compile_seconds, "replay": dataclasses.asdict(alone)}
        book.record["stepping"] |= choice.to_json()
    return Ready(choice.stepper, population, alone, rate, is_finite)
