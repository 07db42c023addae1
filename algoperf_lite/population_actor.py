"""A submission as a population: set up, compiled, laid out on the devices, warmed up."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite import (
    chunking,
    lineage,
    population,
    population_progress,
    population_stepping,
    stepping,
    trial_stage,
    tuning,
)
from algoperf_lite.clock import Ledger
from algoperf_lite.population_layout import Layout
from algoperf_lite.population_progress import Progress
from algoperf_lite.population_stepping import PopulationStepper
from algoperf_lite.programs import TrainState
from algoperf_lite.resume import Attempt
from algoperf_lite.spec import PyTree
from algoperf_lite.trial_books import Books
from algoperf_lite.trial_stage import Stage

Stacked = Mapping[str, np.ndarray]  # (members,) values by hyperparameter


@dataclasses.dataclass(frozen=True)
class Actor:
    """What a population needs to train.

    Attributes:
      space: of its hyperparameters.
      rate: the learning rate at one member's hyperparameters and a step counted from 0.
      finite: whether one member's parameters are finite.
    """

    stepper: PopulationStepper
    space: Mapping[str, Any]
    rate: Callable[[Mapping[str, Any], int], float] | None
    finite: Callable[[PyTree], bool]

    def is_well(self, progress: Progress, member: int) -> bool:
        """Whether a member has not diverged."""
        return self.finite(self.stepper.member(progress.population, member).state.params)

    def learning_rate(self, progress: Progress, member: int) -> float | None:
        """That of a member's last step; None without a schedule."""
        points = population_stepping.stacked_points(progress.generations[-1].points)
        return self.rate and self.rate(_of(points, member), progress.step - 1)


def start(
    books: Books,
    stage: Stage,
    ledger: Ledger,
    beat: Callable[[], None],
    attempt: Attempt,
    memory_share: float,
) -> tuple[Actor, Progress]:
    """Imports the submission and makes all first states on its clock, and compiles off it.

    Goes on from what an earlier attempt saved; `memory_share` is the part of the machine that the
    trial may have.
    """
    spec, workload, saved = books.spec, stage.workload, attempt.saved
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
    way = spec.stepping_mode, trial_stage.steps_per_dispatch(spec, workload)

    def on(layout: Layout) -> PopulationStepper:
        return population_stepping.stepper(training, stage.data, batches, *way, layout)

    if saved is None:
        num_steps = spec.max_global_steps or workload.step_hint
        choice = _choose(on, states, traced, num_steps, ledger, memory_share)
        stepper, how = choice.stepper, choice.to_json()
    else:  # chunks change how numbers are rounded
        layout = Layout(len(seeds), saved.own["stepping"]["chunk_size"], _devices())
        stepper, how = on(layout), saved.own["stepping"]
    members = stepper.population(states, traced)
    if saved is not None:
        stepper.compile(members)
    beat()
    rate = trial_stage.learning_rate(training, _of(traced, 0))
    actor = Actor(stepper, space, rate, trial_stage.finiteness(models[0][0]))
    ledger.switch("log", members)
    books.record["stepping"] |= how
    progress = population_progress.start(members, first)
    if saved is not None:
        path = Path(spec.directory) / lineage.FILE
        generations = lineage.read(path)[: saved.own["num_generations"]]
        values = population_stepping.stacked_points(generations[-1].points)
        members = stepper.with_hyperparameters(members, values)
        progress = population_progress.restored(saved, members, generations)
    attempt.go_on(ledger)
    books.record["compile_seconds"] = ledger.seconds("compile")
    return actor, progress


def _choose(
    on: Callable[[Layout], PopulationStepper],
    states: Sequence[TrainState],
    traced: Stacked,
    num_steps: int,
    ledger: Ledger,
    memory_share: float,
) -> chunking.Choice:
    """The layout that is faster here, compiled and warmed up."""
    alone = on(Layout(len(states)))

    def fresh(stepper: PopulationStepper) -> population_stepping.Population:
        # A stepper with one member a chunk takes over the states it is given, and steps use it up.
        first = jax.tree.map(jnp.copy, states[0])
        return stepper.population([first, *states[1:]], traced)

    alone.compile(fresh(alone))
    seconds = chunking.member_seconds(alone, fresh(alone))
    candidates = chunking.Candidates(alone, on, fresh, tuple(jax.local_devices()))
    return chunking.choose(candidates, seconds, num_steps, ledger.seconds("compile"), memory_share)


def _devices() -> tuple[jax.Device, ...]:
    devices = tuple(jax.local_devices())
    return devices if len(devices) > 1 else ()


def _of(traced: Stacked, member: int) -> dict[str, np.ndarray]:
    """One member's part."""
    return {name: values[member] for name, values in traced.items()}
