"""Population based training here against Ray Tune's, from process start to process end.

Both train the same members on the same machine: workload, first points and parameters, compiled
steps, ready interval, number of steps, fitness, quantiles, factors and bounds are ours, and so is
the calibrated stepping mode. What differs is who runs them: `algoperf-lite run` is one process on
one core that advances one member after another; Ray Tune has an actor on each core, reused, and
members take turns on them by way of checkpoints. Its scheduler runs as it does by default ("ray"),
which compares members that have come differently far, and with synch=True ("ray_synch"), which
compares them at the same step as ours does and so takes exactly as many steps and copies.

The sides alternate. Each seed runs twice: "cold" without compiled programs, then "warm" with those
that the same side's cold run left. The metric of a run is the best member's after the last step, on
the validation split.

    pip install -e '.[bench]'
    python -m studies.measurements.pbt_vs_ray
"""

import dataclasses
import fcntl
import functools
import importlib.metadata
import importlib.util
import itertools
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.experiment import run as experiment_run
from algoperf_lite.machine import environment as machine_environment
from algoperf_lite.population import config as population_config
from algoperf_lite.population import evolution, lineage
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.population.evolution import Point
from algoperf_lite.storage import cache
from algoperf_lite.training.calibration import REFERENCE

_WORKLOAD = flags.DEFINE_string("workload", "digits", "Which.")
_MEMBERS = flags.DEFINE_integer("population", 8, "Members.", lower_bound=2)
_SEEDS = flags.DEFINE_integer("seeds", 3, "How many.", lower_bound=1)
_STEPS = flags.DEFINE_integer("max_global_steps", None, "Of each member; default: the step hint.")
_INTERVAL = flags.DEFINE_integer("ready_interval", None, "Steps; default: a 20th of the hint.")
_RAY_SIDE = flags.DEFINE_string("ray_side", None, "Only for the process that is Ray's side.")

METRIC = "metric"
PROGRAMS = ("cold", "warm")
LIMIT_SECONDS = 3600.0
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files
    "RAY_worker_niceness": "0",  # as the rest of Ray, and as our process
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What both sides train.

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


@dataclasses.dataclass(frozen=True)
class Run:
    """How a run of one side went.

    Attributes:
      wall: seconds from process start to process end.
      training: of these, from the first step to the last measurement.
      working: seconds of steps and of measuring fitness, summed over processes.
      num_steps: of all members together.
      num_copies: how often a member went on from another one.
      num_processes: how many have trained.
      metric: the best member's after the last step.
    """

    wall: float
    training: float
    working: float
    num_steps: int
    num_copies: int
    num_processes: int
    metric: float


def main(argv: Sequence[str]) -> None:
    del argv
    if importlib.util.find_spec("ray") is None:
        sys.exit("Ray is not installed, which this compares with; pip install -e '.[bench]'")
    if _RAY_SIDE.value is not None:
        _ray_side(Path(_RAY_SIDE.value))
        return
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("ray", "jax"))
    cores = (
        f"{len(machine_environment.available_cores())} cores for Ray's actors and 1 for our process"
    )
    print(f"{versions}, Python {platform.python_version()}, {cores}")
    columns = ("programs", "seed", "side", "wall s", "training s", "working s", "steps", "copies")
    columns += ("processes", "metric")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    runs: dict[tuple[str, str], list[Run]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(_SEEDS.value):
            plan = _plan(seed)
            for programs, (name, side) in itertools.product(PROGRAMS, SIDES.items()):
                home = _cache_home(Path(folder) / f"{name}_{seed}")
                run = side(plan, home, home / programs)
                runs.setdefault((programs, name), []).append(run)
                print(f"| {programs} | {seed} | {name} | {_cells(run)} |", flush=True)
    print("\n| programs | side | median wall s | of ours | metric |\n|---|---|---|---|---|")
    for programs, name in itertools.product(PROGRAMS, SIDES):
        cells = _summary(runs[programs, name], runs[programs, "ours"])
        print(f"| {programs} | {name} | {cells} |")


def _plan(seed: int) -> Plan:
    """The members as `algoperf-lite run` makes them from this seed."""
    import workloads  # here, so that the process that is Ray's side need not load JAX
    from algoperf_lite.submission import native

    name = _WORKLOAD.value
    workload, entry = workloads.load(name), native.load(REFERENCE)
    [(_, calibration)] = experiment_run.calibrate([name], "lite", local.local(1, 1))
    rules = PopulationConfig(_MEMBERS.value, _INTERVAL.value).for_horizon(workload.step_hint)
    num_steps = min(_STEPS.value or workload.step_hint, workload.step_hint)
    population_config.check_budget(rules, num_steps)
    space, trial_seed = population_config.uniform(entry.search_space), tuning.trial_seed(seed, 0, 1)
    return Plan(
        workload=name,
        rules=rules,
        seed=seed,
        num_steps=num_steps,
        space=space,
        points=evolution.initial(space, rules, trial_seed).points,
        seeds=[tuning.member_seed(trial_seed, member) for member in range(rules.size)],
        mode=calibration.mode,
        steps_per_dispatch=min(calibration.steps_per_dispatch, rules.ready_interval),
        lower_is_better=workload.lower_is_better,
    )


def _cache_home(folder: Path) -> Path:
    """A folder for $XDG_CACHE_HOME; new, it has data and calibrations, but no programs."""
    for name in ("data", "calibration"):
        ours, theirs = cache.folder() / name, folder / "algoperf_lite" / name
        if not theirs.exists():
            ours.mkdir(parents=True, exist_ok=True)
            theirs.parent.mkdir(parents=True, exist_ok=True)
            theirs.symlink_to(ours)
    return folder


def _timed(command: Sequence[str], environment: Mapping[str, str], log: Path) -> float:
    """Wall seconds of a process.

    Raises RuntimeError with the end of its output where it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, *command],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=LIMIT_SECONDS,
        )
        wall = time.monotonic() - began
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {log.read_text()[-2000:]}")
    return wall


# --- ours ---------------------------------------------------------------------------------


def _ours(plan: Plan, cache_home: Path, folder: Path) -> Run:
    """The command that a user gives, and what it left."""
    command = [
        *("-m", "algoperf_lite", "run"),
        *(f"--submissions={REFERENCE}", f"--workloads={plan.workload}"),
        *(f"--population={plan.rules.size}", f"--ready_interval={plan.rules.ready_interval}"),
        *("--num_studies=1", f"--rng_seed={plan.seed}", "--no-stop_at_target"),
        *("--budget_by=steps", f"--max_global_steps={plan.num_steps}"),
        f"--output_dir={folder / 'experiment'}",
    ]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache_home)}
    wall = _timed(command, environment, folder / "output.txt")
    [path] = (folder / "experiment").glob("*/study_0/*/trial_1/trial.json")
    record = json.loads(path.read_text())
    if record["status"] not in ("reached", "not_reached"):
        raise RuntimeError(f"our side {record['status']}: {record['error']}")
    generations = lineage.read(path.parent / lineage.FILE)
    ledger = record["ledger"]
    before = ledger["setup"] + ledger["init"] + ledger["compile"]
    loss = record["winner"]["fitness"]
    return Run(
        wall=wall,
        training=ledger["wall"] - before,
        working=ledger["update_params"] + ledger["prepare_for_eval"] + ledger["fitness"],
        num_steps=record["steps"] * plan.rules.size,
        num_copies=sum(p != m for g in generations for m, p in enumerate(g.parents)),
        num_processes=1,
        metric=loss if plan.lower_is_better else -loss,
    )


# --- Ray's --------------------------------------------------------------------------------


def _rays(plan: Plan, cache_home: Path, folder: Path) -> Run:
    """The same by Ray Tune, in a trial's environment."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(dataclasses.asdict(plan)))
    compiled = cache_home / "algoperf_lite" / "compiled"
    environment = {
        **machine_environment.environment(1, compiled),
        **RAY_ENVIRONMENT,
        "XDG_CACHE_HOME": str(cache_home),
    }
    command = ["-m", "studies.measurements.pbt_vs_ray", f"--ray_side={folder}"]
    wall = _timed(command, environment, folder / "output.txt")
    return Run(wall=wall, **json.loads((folder / "result.json").read_text()))


def _rays_in_step(plan: Plan, cache_home: Path, folder: Path) -> Run:
    return _rays(dataclasses.replace(plan, synch=True), cache_home, folder)


Side = Callable[[Plan, Path, Path], Run]  # of $XDG_CACHE_HOME and a folder for what it leaves
SIDES: Mapping[str, Side] = {"ours": _ours, "ray": _rays, "ray_synch": _rays_in_step}


def _ray_side(folder: Path) -> None:
    """Trains the plan in a folder and leaves the fields of `Run`, but for the wall time, there."""
    import ray
    from ray import tune
    from ray.tune.schedulers import PopulationBasedTraining

    plan = Plan.from_json(json.loads((folder / "plan.json").read_text()))
    rules, cores = plan.rules, machine_environment.available_cores()
    random.seed(plan.seed)  # Ray draws from both
    np.random.seed(plan.seed)
    ray.init(
        num_cpus=len(cores), include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )

    class Trainable(Member, tune.Trainable):
        pass

    class Watch(tune.Callback):
        """Keeps what every `Member.step` returned."""

        def __init__(self) -> None:
            self.results: list[Mapping[str, Any]] = []

        def on_trial_result(self, iteration, trials, trial, result, **info) -> None:
            self.results.append(result)

    watch = Watch()
    scheduler = PopulationBasedTraining(
        time_attr="training_iteration",
        perturbation_interval=1,
        hyperparam_mutations={"point": {n: _domain(tune, d) for n, d in plan.space.items()}},
        quantile_fraction=rules.bottom,
        resample_probability=rules.resample_probability,
        perturbation_factors=rules.factors,
        custom_explore_fn=lambda config: {**config, "point": bounded(config["point"], plan.space)},
        synch=plan.synch,
    )
    with_plan = tune.with_parameters(Trainable, plan=plan, cores=cores, locks=folder)
    tuner = tune.Tuner(
        tune.with_resources(with_plan, {"cpu": 1}),
        param_space={"point": tune.grid_search(list(plan.points))},
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="min" if plan.lower_is_better else "max",
            scheduler=scheduler,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="ray",
            storage_path=str(folder),
            stop={"training_iteration": -(-plan.num_steps // rules.ready_interval)},
            failure_config=tune.FailureConfig(fail_fast="raise"),
            callbacks=[watch],
            verbose=0,
        ),
    )
    last = [result.metrics[METRIC] for result in tuner.fit()]
    ray.shutdown()
    seen, copies = watch.results, folder / "ray" / "pbt_global.txt"
    found = {
        "training": max(r["ended"] for r in seen) - min(r["began"] for r in seen),
        "working": sum(r["ended"] - r["began"] for r in seen),
        "num_steps": sum(r["num_steps"] for r in seen),
        "num_copies": len(copies.read_text().splitlines()) if copies.exists() else 0,
        "num_processes": len({r["pid"] for r in seen}),
        "metric": min(last) if plan.lower_is_better else max(last),
    }
    (folder / "result.json").write_text(json.dumps(found))


class Member:
    """A trial of Ray Tune, for `tune.Trainable` to be the rest of: its actor trains one member for
    a ready interval, saves it and goes on with another."""

    def setup(self, config: Mapping[str, Any], **surroundings: Any) -> None:
        # What takes long waits for the first step: an actor that is still in setup when another one
        # becomes free is given up for that one, and its core stays idle.
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
        from algoperf_lite.training import train_step

        stepper = population_stepper.PopulationStepper(
            self._programs,
            [train_step.Batches(*self._sizes, seed)],
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
    """What Ray draws from instead of a dimension of a search space."""
    if "feasible_points" in dimension:
        return list(dimension["feasible_points"])
    draw = tune.loguniform if dimension["scaling"] == "log" else tune.uniform
    return draw(dimension["min"], dimension["max"])


# --- report -------------------------------------------------------------------------------


def _cells(run: Run) -> str:
    seconds = f"{run.wall:.1f} | {run.training:.1f} | {run.working:.1f}"
    counts = f"{run.num_steps} | {run.num_copies} | {run.num_processes}"
    return f"{seconds} | {counts} | {run.metric:.4f}"


def _summary(runs: Sequence[Run], ours: Sequence[Run]) -> str:
    """Median wall time, its ratio to that of `ours`, mean and standard deviation of the metric."""
    wall, our_wall = (statistics.median(run.wall for run in side) for side in (runs, ours))
    metrics = [run.metric for run in runs]
    deviation = f"{statistics.stdev(metrics):.4f}" if len(metrics) > 1 else "?"
    metric = f"{statistics.mean(metrics):.4f} +- {deviation}"
    return f"{wall:.1f} | {wall / our_wall:.2f} | {metric}"


if __name__ == "__main__":
    app.run(main)
