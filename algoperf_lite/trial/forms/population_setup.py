"""The setup of a population: first states, compiled programs, and the layout on the devices."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite import tuning
from algoperf_lite.population import chunk_size, evolution
from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.population.evolution import Generation
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.population.stepper import Population, PopulationStepper
from algoperf_lite.spec import PyTree
from algoperf_lite.training import train_step
from algoperf_lite.training.clock import Ledger
from algoperf_lite.training.compiled_steps import TrainState
from algoperf_lite.training.data_order import Batches
from algoperf_lite.training.snapshot import Snapshot
from algoperf_lite.trial import setup as trial_setup
from algoperf_lite.trial.forms.base import Heartbeat
from algoperf_lite.trial.setup import TrialSetup
from algoperf_lite.trial.spec import TrialSpec

Stacked = Mapping[str, np.ndarray]  # (members,) values by hyperparameter


@dataclasses.dataclass(frozen=True)
class PopulationSetup:
    """A submission as a population, compiled and ready for its first step.

    Attributes:
      members: before any training.
      first: generation 0.
      space: of the hyperparameters.
      stepping: for the record: how members are laid out, and why.
      submission: fields of the record about it.
      rate: learning rate at one member's hyperparameters and a step counted from 0.
      finite: whether one member's parameters are finite.
    """

    stepper: PopulationStepper
    members: Population
    first: Generation
    space: Mapping[str, Any]
    stepping: Mapping[str, Any]
    submission: Mapping[str, Any]
    rate: Callable[[Mapping[str, Any], int], float] | None
    finite: Callable[[PyTree], bool]

    def learning_rate(self, generation: Generation, member: int, step: int) -> float | None:
        """The learning rate of a member's last step; None without a schedule."""
        points = population_stepper.stacked_points(generation.points)
        return self.rate and self.rate(_of(points, member), step - 1)


@dataclasses.dataclass(frozen=True)
class _Programs:
    """The programs that a population can be laid out with."""

    training: train_step.TrainStep
    data: Mapping[str, Any]
    batches: Sequence[Batches]
    mode: str
    steps_per_dispatch: int

    def on(self, layout: MemberSharding) -> PopulationStepper:
        """The stepper of a layout, not compiled yet."""
        return population_stepper.stepper(
            self.training, self.data, self.batches, self.mode, self.steps_per_dispatch, layout
        )


def prepare(
    spec: TrialSpec,
    setup: TrialSetup,
    clock: Ledger,
    heartbeat: Heartbeat,
    saved: Snapshot | None,
) -> PopulationSetup:
    """Imports the submission and makes all first states on the clock, and compiles off it.

    A population that goes on from `saved` is laid out as it was.
    """
    trial_setup.require_resident(setup)
    seeds = [tuning.member_seed(spec.seed, member) for member in range(spec.population.size)]
    # Members differ in their initial parameters too, as trials of a study do.
    models = [setup.initial(seed) for seed in seeds]
    clock.switch("init", models, setup.data)
    submission = trial_setup.load_submission(spec, setup)
    space = trial_setup.space(spec, submission)
    first = evolution.initial(space, spec.population, spec.seed)
    traced = population_stepper.stacked_points(first.points)
    training = trial_setup.training(spec, setup.workload, submission, {})
    batches = [trial_setup.batches(setup.workload, submission, seed) for seed in seeds]
    clock.switch("compile")
    # One program makes all first states: points differ in numbers only, see `space`.
    init = train_step.compiled_init(training, _of(traced, 0), *models[0])
    heartbeat()
    clock.switch("init")
    states = [init(_of(traced, member), *model) for member, model in enumerate(models)]
    clock.switch("compile", states)
    per_dispatch = trial_setup.steps_per_dispatch(spec, setup)
    programs = _Programs(training, setup.data, batches, spec.stepping_mode, per_dispatch)
    if saved is None:
        num_steps = spec.max_global_steps or setup.workload.step_hint
        choice = _choose(programs, states, traced, num_steps, setup.memory_share)
        stepper, stepping = choice.stepper, choice.to_json()
        members = stepper.population(states, traced)
    else:
        # Another layout would round otherwise, and the numbers would not go on bit for bit.
        stepping = saved.facts["stepping"]
        layout = MemberSharding(len(seeds), stepping["chunk_size"], _devices())
        stepper = programs.on(layout)
        members = stepper.population(states, traced)
        stepper.compile(members)
    heartbeat()
    rate = trial_setup.learning_rate(training, _of(traced, 0))
    finite = trial_setup.finiteness(models[0][0])
    clock.switch("setup", members)
    stepping = {**trial_setup.stepping_facts(spec), **stepping}
    facts = trial_setup.submission_facts(submission, None, batches[0].batch_size)
    return PopulationSetup(stepper, members, first, space, stepping, facts, rate, finite)


def _choose(
    programs: _Programs,
    states: Sequence[TrainState],
    traced: Stacked,
    num_steps: int,
    memory_share: float,
) -> chunk_size.Choice:
    """The layout that is faster here, compiled and warmed up."""
    single = programs.on(MemberSharding(len(states)))

    def fresh(stepper: PopulationStepper) -> Population:
        # A stepper with one member a chunk takes over the states it is given, and steps use it up.
        first = jax.tree.map(jnp.copy, states[0])
        return stepper.population([first, *states[1:]], traced)

    single.compile(fresh(single))
    devices = tuple(jax.local_devices())
    candidates = chunk_size.Candidates(single, programs.on, fresh, devices)
    # On a CPU one member after another is fastest (`studies.measurements.chunk_sizes`), and what is
    # not left to a measurement gives the same bits in every run.
    seconds = None
    if devices[0].platform != "cpu":
        seconds = chunk_size.member_seconds(single, fresh(single))
    # A population's steps are on its clock and compilation is not. Where chunks can be many times
    # faster, its score must not depend on how long a compiler took, or on whether it had to.
    return chunk_size.choose(candidates, seconds, num_steps, 0.0, memory_share)


def _devices() -> tuple[jax.Device, ...]:
    # A single device needs no sharding, and gets the programs that a trial alone compiles.
    devices = tuple(jax.local_devices())
    return devices if len(devices) > 1 else ()


def _of(traced: Stacked, member: int) -> dict[str, np.ndarray]:
    """One member's part."""
    return {name: values[member] for name, values in traced.items()}
