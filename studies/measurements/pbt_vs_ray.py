"""Population based training here against Ray Tune's, from process start to process end.

Both train the same members on the same machine: workload, first points and parameters, compiled
steps, ready interval, number of steps, fitness, quantiles, factors and bounds are ours, and so is
the calibrated stepping mode. What differs is who runs them: `algoperf-lite run` is one process that
advances one member after another on one core ("ours"), or one on each core ("ours_on_all", with
`--cores_per_trial`); Ray Tune has an actor on each core, reused, and members take turns on them by
way of checkpoints. Its scheduler runs as it does by default ("ray"), which compares members that
have come differently far, and with synch=True ("ray_synch"), which compares them at the same step
as ours does and so takes exactly as many steps and copies.

The sides alternate. Each seed runs twice: "cold" without compiled programs, then "warm" with those
that the same side's cold run left. The metric of a run is the best member's after the last step, on
the validation split.

    pip install -e '.[bench]'
    python -m studies.measurements.pbt_vs_ray
"""

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import workloads
from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.experiment import run as experiment_run
from algoperf_lite.machine import environment as machine_environment
from algoperf_lite.population import config as population_config
from algoperf_lite.population import evolution, lineage
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.storage import cache
from algoperf_lite.submission import native
from algoperf_lite.training.calibration import REFERENCE
from studies import script
from studies.measurements.pbt_ray_tune import Plan

PROGRAMS = ("cold", "warm")
LIMIT_SECONDS = 3600.0
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files
    "RAY_worker_niceness": "0",  # as the rest of Ray, and as our process
}
SMOKE = {
    "population": 2,
    "seeds": 1,
    "max_global_steps": 4,
    "ready_interval": 2,
    "programs": ["cold"],
    "sides": ["ours", "ray"],
}


@dataclasses.dataclass(frozen=True)
class Run:
    """The course of one side's run.

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


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is trained, how often, and by whom."""
    add = parser.add_argument
    add("--workload", default="digits")
    add("--population", type=int, default=8, help="members")
    add("--seeds", type=int, default=3, help="how many")
    add("--max_global_steps", type=int, help="of each member; default: the step hint")
    add("--ready_interval", type=int, help="in steps; default: a 20th of the step hint")
    add("--programs", type=script.listed(), default=list(PROGRAMS), help="cold, then warm")
    add("--sides", type=script.listed(), default=list(SIDES), help="ours first")


def run(arguments: argparse.Namespace) -> None:
    """Prints a line per run, then the medians."""
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("pandas") is None:
        raise ValueError(
            "Ray Tune, which this compares with, is not installed; pip install -e '.[bench]'"
        )
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("ray", "jax"))
    print(f"{versions}, Python {platform.python_version()}, {_num_cores()} cores")
    columns = ("programs", "seed", "side", "wall s", "training s", "working s", "steps", "copies")
    columns += ("processes", "metric")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    kinds = list(itertools.product(arguments.programs, arguments.sides))
    runs: dict[tuple[str, str], list[Run]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        # Seeds outermost and sides innermost, so that a drift of the machine hits all sides alike.
        for seed in range(arguments.seeds):
            plan = _plan(arguments, seed)
            for programs, name in kinds:
                # A cache for each side and seed: the cold run fills it, the warm one finds it.
                home = _cache_home(Path(folder) / f"{name}_{seed}")
                one = SIDES[name](plan, home, home / programs)
                runs[programs, name].append(one)
                print(f"| {programs} | {seed} | {name} | {_cells(one)} |", flush=True)
    print("\n| programs | side | median wall s | of ours | metric |\n|---|---|---|---|---|")
    for programs, name in kinds:
        cells = _summary(runs[programs, name], runs[programs, "ours"])
        print(f"| {programs} | {name} | {cells} |")


def _plan(arguments: argparse.Namespace, seed: int) -> Plan:
    """The members as `algoperf-lite run` makes them from this seed."""
    name = arguments.workload
    workload, entry = workloads.load(name), native.load(REFERENCE)
    # Calibrated before the clock starts, as both sides use what it found.
    [(_, calibration)] = experiment_run.calibrate([name], "lite", local.local(1, 1))
    if "ours_on_all" in arguments.sides:
        [_] = experiment_run.calibrate([name], "lite", local.local(_num_cores(), 1))
    # Both know from here on how often they look at each other.
    rules = PopulationConfig(arguments.population, arguments.ready_interval).for_horizon(
        workload.step_hint
    )
    num_steps = min(arguments.max_global_steps or workload.step_hint, workload.step_hint)
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
        # Process start and end are part of it: a user waits for them too.
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


def _num_cores() -> int:
    return len(machine_environment.available_cores())


def _ours(plan: Plan, cache_home: Path, folder: Path, num_cores: int = 1) -> Run:
    """The command that a user gives, and what it left."""
    command = [
        *("-m", "algoperf_lite", "run"),
        *(f"--submissions={REFERENCE}", f"--workloads={plan.workload}"),
        f"--population={plan.rules.size}:ready_interval={plan.rules.ready_interval}",
        *("--num_studies=1", f"--rng_seed={plan.seed}", "--no-stop_at_target"),
        *("--budget_by=steps", f"--max_global_steps={plan.num_steps}"),
        *(f"--cores_per_trial={num_cores}", f"--output_dir={folder / 'experiment'}"),
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
        # A copy is a member whose parent is another one.
        num_copies=sum(p != m for g in generations for m, p in enumerate(g.parents)),
        num_processes=1,
        metric=loss if plan.lower_is_better else -loss,
    )


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
    command = ["-m", "studies.measurements.pbt_ray_tune", str(folder)]
    wall = _timed(command, environment, folder / "output.txt")
    return Run(wall=wall, **json.loads((folder / "result.json").read_text()))


def _rays_in_step(plan: Plan, cache_home: Path, folder: Path) -> Run:
    return _rays(dataclasses.replace(plan, synch=True), cache_home, folder)


def _ours_on_all(plan: Plan, cache_home: Path, folder: Path) -> Run:
    return _ours(plan, cache_home, folder, _num_cores())


Side = Callable[[Plan, Path, Path], Run]  # of $XDG_CACHE_HOME and a folder for what it leaves
SIDES: Mapping[str, Side] = {
    "ours": _ours,
    "ours_on_all": _ours_on_all,
    "ray": _rays,
    "ray_synch": _rays_in_step,
}


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
    script.main(__doc__, add_flags, run, SMOKE)
