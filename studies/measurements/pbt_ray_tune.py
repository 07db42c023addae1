"""Ray Tune's side of `pbt_vs_ray`: trains the members of a plan on all cores, an actor on each.

`pbt_vs_ray` starts it, `python -m` with a folder that holds plan.json, and reads result.json there.
"""

import dataclasses
import fcntl
import functools
import json
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_lite.machine import environment as machine_environment
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.population.evolution import Point
from algoperf_lite.training.calibration import REFERENCE

METRIC = "metric"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A population that both sides train.

    Attributes:
      seed: of the experiment.
      num_steps: of each member.
      space: of the hyperparameters.
      points, seeds: of the members at the start.
      mode, steps_per_dispatch: see `compiled_steps.CompiledSteps`.
      synch: whether Ray compares members at the same step only.
    """

    workload: str
    rules: PopulationConfig
    seed: int
    num_steps: int
    space: Mapping[str, Any]
    points: Sequence[Point]
    seeds: Sequence[int]
    mode: str
    steps_per_dispatch: int
    lower_is_better: bool
    synch: bool = False

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Plan":
        return cls(**{**content, "rules": PopulationConfig.from_json(content["rules"])})


def run(folder: Path) -> None:
    """Trains the plan in a folder and leaves what `pbt_vs_ray.Run` has there, but the wall time."""
    import ray

    plan = Plan.from_json(json.loads((folder / "plan.json").read_text()))
    cores = machine_environment.available_cores()
    random.seed(plan.seed)  # Ray draws from both
    np.random.seed(plan.seed)
    ray.init(
        num_cpus=len(cores), include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    last, seen = _fitted(plan, cores, folder)
    ray.shutdown()
    # Copies are counted from the log that the scheduler itself writes.
    copies = folder / "ray" / "pbt_global.txt"
    found = {
        "training": max(r["ended"] for r in seen) - min(r["began"] for r in seen),
        "working": sum(r["ended"] - r["began"] for r in seen),
        "num_steps": sum(r["num_steps"] for r in seen),
        "num_copies": len(copies.read_text().splitlines()) if copies.exists() else 0,
        "num_processes": len({r["pid"] for r in seen}),
        "metric": min(last) if plan.lower_is_better else max(last),
    }
    (folder / "result.json").write_text(json.dumps(found))


def _fitted(
    plan: Plan, cores: Sequence[int], folder: Path
) -> tuple[list[float], list[Mapping[str, Any]]]:
    """(the members' last metrics, what every `Member.step` returned)."""
    from ray import tune

    # Defined here, as its base class is only there where Ray is installed.
    class Trainable(Member, tune.Trainable):
        pass

    class Watch(tune.Callback):
        def __init__(self) -> None:
            self.results: list[Mapping[str, Any]] = []

        def on_trial_result(self, iteration, trials, trial, result, **info) -> None:
            self.results.append(result)

    watch = Watch()
    with_plan = tune.with_parameters(Trainable, plan=plan, cores=cores, locks=folder)
    tuner = tune.Tuner(
        tune.with_resources(with_plan, {"cpu": 1}),
        param_space={"point": tune.grid_search(list(plan.points))},
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="min" if plan.lower_is_better else "max",
            scheduler=_scheduler(plan),
            # A new actor for every copy would start a process and compile each time.
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="ray",
            storage_path=str(folder),
            stop={"training_iteration": -(-plan.num_steps // plan.rules.ready_interval)},
            failure_config=tune.FailureConfig(fail_fast="raise"),
            callbacks=[watch],
            verbose=0,
        ),
    )
    return [result.metrics[METRIC] for result in tuner.fit()], watch.results


def _scheduler(plan: Plan) -> Any:
    """Ray's population based training by our rules."""
    from ray import tune
    from ray.tune.schedulers import PopulationBasedTraining

    return PopulationBasedTraining(
        time_attr="training_iteration",
        perturbation_interval=1,
        hyperparam_mutations={"point": {n: _domain(tune, d) for n, d in plan.space.items()}},
        quantile_fraction=plan.rules.bottom,
        resample_probability=plan.rules.resample_probability,
        perturbation_factors=plan.rules.factors,
        # Ray perturbs without bounds; ours stays within the space.
        custom_explore_fn=lambda config: {**config, "point": bounded(config["point"], plan.space)},
        synch=plan.synch,
    )


class Member:
    """A trial of Ray Tune, for `tune.Trainable` to be the rest of: its actor trains one member for
    a ready interval, saves it and goes on with another."""

    def setup(self, config: Mapping[str, Any], **surroundings: Any) -> None:
        # All that takes long waits for the first step: an actor that is still in setup when
        # another one becomes free is given up for that one, and its core stays idle.
        self._trainer_of = functools.cache(lambda: Trainer(**surroundings))
        self._seeds = surroundings["plan"].seeds
        self.reset_config(config)

    def reset_config(self, new_config: Mapping[str, Any]) -> bool:
        # Seed and order of data stay with the place, as ours do; a copied config has the parent's.
        self._seed = self._seeds[int(self.trial_id.rpartition("_")[2])]
        self._point, self._state = new_config["point"], None
        return True

    def step(self) -> dict[str, Any]:
        trainer = self._trainer_of()
        began = time.monotonic()
        state = trainer.first(self._seed, self._point) if self._state is None else self._state
        done = int(state.step)
        self._state, metric = trainer.advance(state, self._seed, self._point)
        num_steps = int(self._state.step) - done
        return {METRIC: metric, "num_steps": num_steps, "began": began, "ended": time.monotonic()}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        np.savez(Path(checkpoint_dir) / "state.npz", *self._trainer_of().leaves(self._state))

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        with np.load(Path(checkpoint_dir) / "state.npz") as file:
            self._state = self._trainer_of().state(list(file.values()))


class Trainer:
    """Trains any member of a plan for a ready interval, on a core of its own; compiles once."""

    def __init__(self, plan: Plan, cores: Sequence[int], locks: Path):
        machine_environment.pin((claimed_core(cores, locks),))  # before JAX starts its threads
        import jax

        import workloads
        from algoperf_lite.submission import native
        from algoperf_lite.training import evaluation, train_step

        workload, entry = workloads.load(plan.workload), native.load(REFERENCE)
        training = train_step.TrainStep(workload, entry)
        data = jax.device_put(workload.dataset("train"))
        self._plan, self._metric = plan, f"validation/{workload.target_metric_name}"
        self._sizes = workload.num_train_examples, entry.batch_size(workload)
        self._programs = training.programs_over(data, plan.mode, plan.steps_per_dispatch)
        self._initial, self._init = train_step.model_initializer(workload), jax.jit(training.init)
        seed, point = plan.seeds[0], plan.points[0]
        state = self.first(seed, point)
        self._structure = jax.tree.structure(state)
        stepper, population = self._population(state, seed, point)
        stepper.compile(population)
        self._evaluate = evaluation.Evaluator(workload)
        self._evaluate.compile(*self._initial(seed))

    def first(self, seed: int, point: Point) -> Any:
        """A member's `TrainState` before step 1."""
        from algoperf_lite.training import train_step

        traced, _ = train_step.split_point(point)
        return self._init(traced, *self._initial(seed))

    def advance(self, state: Any, seed: int, point: Point) -> tuple[Any, float]:
        """(state, validation metric) after another ready interval; consumes `state`."""
        done = int(state.step)
        num_steps = min(self._plan.rules.ready_interval, self._plan.num_steps - done)
        stepper, population = self._population(state, seed, point)
        population = stepper.advance(population, done, num_steps)
        prepared = stepper.prepare_for_eval(population, done + num_steps)
        row = self._evaluate(*stepper.member(prepared, 0), "validation")
        return stepper.member(population, 0).state, row[self._metric]

    def leaves(self, state: Any) -> list[np.ndarray]:
        """The state's numbers, which `state` makes a state of again."""
        import jax

        return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]

    def state(self, leaves: Sequence[np.ndarray]) -> Any:
        import jax

        return jax.tree.unflatten(self._structure, leaves)

    def _population(self, state: Any, seed: int, point: Point) -> tuple[Any, Any]:
        """(stepper, population) of this one member; nothing is compiled."""
        from algoperf_lite.population import sharding
        from algoperf_lite.population import stepper as population_stepper
        from algoperf_lite.training.data_order import Batches

        # One member at a time and no vmap, as ours trains on a CPU.
        stepper = population_stepper.PopulationStepper(
            self._programs,
            [Batches(*self._sizes, seed)],
            sharding.MemberSharding(1),
        )
        return stepper, stepper.population([state], population_stepper.stacked_points([point]))


def claimed_core(cores: Sequence[int], locks: Path) -> int:
    """A core that no other process has claimed; it is this one's until it ends."""
    while True:
        for core in cores:
            lock = os.open(locks / f"core_{core}", os.O_CREAT | os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return core  # the file stays open, and so the lock is held
            except BlockingIOError:
                os.close(lock)
        time.sleep(0.01)  # an actor that was dismissed is still there


def bounded(point: Point, space: Mapping[str, Any]) -> dict[str, Any]:
    """The point within the space, as `evolution.perturbed` leaves it."""
    return {
        name: value
        if "feasible_points" in space[name]
        else min(max(value, space[name]["min"]), space[name]["max"])
        for name, value in point.items()
    }


def _domain(tune: Any, dimension: Mapping[str, Any]) -> Any:
    """Ray's own kind of a dimension of a search space."""
    if "feasible_points" in dimension:
        return list(dimension["feasible_points"])
    draw = tune.loguniform if dimension["scaling"] == "log" else tune.uniform
    return draw(dimension["min"], dimension["max"])


if __name__ == "__main__":
    run(Path(sys.argv[1]))
