"""A submission as a population: set up, compiled, laid out on the devices, warmed up."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite import tuning
from algoperf_lite.population import chunk_size, evolution, lineage
from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.population.stepper import PopulationStepper
from algoperf_lite.spec import PyTree
from algoperf_lite.training import train_step
from algoperf_lite.training.clock import Ledger
from algoperf_lite.training.compiled_steps import TrainState
from algoperf_lite.trial import setup
from algoperf_lite.trial.forms import population_state
from algoperf_lite.trial.forms.population_state import Progress
from algoperf_lite.trial.recorder import Recorder
from algoperf_lite.trial.resume import Attempt
from algoperf_lite.trial.setup import TrialSetup

Stacked = Mapping[str, np.ndarray]  # (members,) values by hyperparameter


@dataclasses.dataclass(frozen=True)
class PopulationSetup:
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
        points = population_stepper.stacked_points(progress.generations[-1].points)
        return self.rate and self.rate(_of(points, member), progress.step - 1)


def start(
    books: Recorder,
    stage: TrialSetup,
    ledger: Ledger,
    beat: Callable[[], None],
    attempt: Attempt,
    memory_share: float,
) -> tuple[PopulationSetup, Progress]:
    """Imports the submission and makes all first states on its clock, and compiles off it.

    Goes on from what an earlier attempt saved; `memory_share` is the part of the machine that the
    trial may have.
    """
    spec, workload, saved = books.spec, stage.workload, attempt.saved
    seeds = [tuning.member_seed(spec.seed, member) for member in range(spec.population.size)]
    models = [stage.initial(seed) for seed in seeds]
    ledger.switch("init", models, stage.data)
    entry = setup.load_submission(spec)
    space = setup.space(spec, entry)
    first = evolution.initial(space, spec.population, spec.seed)
    traced = population_stepper.stacked_points(first.points)
    training = train_step.TrainStep(workload, entry)
    sizes = workload.num_train_examples, entry.batch_size(workload)
    batches = [train_step.Batches(*sizes, seed) for seed in seeds]
    ledger.switch("log")
    books.write_submission(entry, None, batches[0].batch_size)
    ledger.switch("compile")
    init = jax.jit(training.init).lower(_of(traced, 0), *models[0]).compile()
    beat()
    ledger.switch("init")
    states = [init(_of(traced, member), *model) for member, model in enumerate(models)]
    ledger.switch("compile", states)
    way = spec.stepping_mode, setup.steps_per_dispatch(spec, workload)

    def on(layout: MemberSharding) -> PopulationStepper:
        return population_stepper.stepper(training, stage.data, batches, *way, layout)

    if saved is None:
        num_steps = spec.max_global_steps or workload.step_hint
        choice = _choose(on, states, traced, num_steps, ledger, memory_share)
        stepper, how = choice.stepper, choice.to_json()
    else:  # chunks change how numbers are rounded
        layout = MemberSharding(len(seeds), saved.own["stepping"]["chunk_size"], _devices())
        stepper, how = on(layout), saved.own["stepping"]
    members = stepper.population(states, traced)
    if saved is not None:
        stepper.compile(members)
    beat()
    rate = setup.learning_rate(training, _of(traced, 0))
    actor = PopulationSetup(stepper, space, rate, setup.finiteness(models[0][0]))
    ledger.switch("log", members)
    books.record["stepping"] |= how
    progress = population_state.start(members, first)
    if saved is not None:
        path = Path(spec.directory) / lineage.FILE
        generations = lineage.read(path)[: saved.own["num_generations"]]
        values = population_stepper.stacked_points(generations[-1].points)
        members = stepper.with_hyperparameters(members, values)
        progress = population_state.restored(saved, members, generations)
    attempt.go_on(ledger)
    books.record["compile_seconds"] = ledger.seconds("compile")
    return actor, progress


def _choose(
    on: Callable[[MemberSharding], PopulationStepper],
    states: Sequence[TrainState],
    traced: Stacked,
    num_steps: int,
    ledger: Ledger,
    memory_share: float,
) -> chunk_size.Choice:
    """The layout that is faster here, compiled and warmed up."""
    alone = on(MemberSharding(len(states)))

    def fresh(stepper: PopulationStepper) -> population_stepper.Population:
        # A stepper with one member a chunk takes over the states it is given, and steps use it up.
        first = jax.tree.map(jnp.copy, states[0])
        return stepper.population([first, *states[1:]], traced)

    alone.compile(fresh(alone))
    seconds = chunk_size.member_seconds(alone, fresh(alone))
    candidates = chunk_size.Candidates(alone, on, fresh, tuple(jax.local_devices()))
    return chunk_size.choose(
        candidates, seconds, num_steps, ledger.seconds("compile"), memory_share
    )


def _devices() -> tuple[jax.Device, ...]:
    devices = tuple(jax.local_devices())
    return devices if len(devices) > 1 else ()


def _of(traced: Stacked, member: int) -> dict[str, np.ndarray]:
    """One member's part."""
    return {name: values[member] for name, values in traced.items()}
