"""Runs grids of settings, each with several seeds, and keeps what training ends with.

What shares one program, all peaks and seeds of a setting, trains as one population in one process;
only the metric at the end is measured and kept.
"""

import dataclasses
import itertools
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.progress import Progress

import workloads
from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.executors.job import Job
from algoperf_lite.experiment import run as experiment_run
from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.schedules import text
from algoperf_lite.spec import LOWER_IS_BETTER, Workload
from algoperf_lite.storage import atomic, cache
from algoperf_lite.submission import find, native
from algoperf_lite.submission.native import Submission
from algoperf_lite.training import train_step
from algoperf_lite.training.data_order import Batches
from algoperf_lite.training.evaluation import Evaluator
from algoperf_lite.trial import run as trial_run
from algoperf_lite.trial import setup

# Of the names of files: with what lies beyond a grid's edges, and with the runs of its best.
WIDENED, FINALISTS = ".widened", ".finalists"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One setting, run with several seeds.

    Attributes:
      submission, schedule, budget: see `contenders.Contender`.
      peak: learning rate in place of the self-tuning point's.
    """

    submission: str
    schedule: str
    budget: float
    workload: str
    peak: float


@dataclasses.dataclass(frozen=True)
class Result:
    """The metric at the end of each seed's training, (S,); NaN where it diverged."""

    metric: str
    values_S: np.ndarray

    @property
    def losses_S(self) -> np.ndarray:
        """Lower is better; infinite where training diverged."""
        sign = 1.0 if self.metric in LOWER_IS_BETTER else -1.0
        return np.where(np.isnan(self.values_S), np.inf, sign * self.values_S)


def run(
    cells: Sequence[Cell], num_seeds: int, folder: Path, part: str = "", first: int = 0
) -> dict[Cell, Result]:
    """Trains what is not finished; the same call continues and recalls.

    Args:
      part: ends the names of files, for cells that join settings of which others are kept.
      first: number of the first seed.
    Raises ValueError for a schedule that leaves something to be searched.
    """
    # Peaks share a program, as hyperparameters are traced; anything else is compiled anew.
    groups: dict[tuple, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(dataclasses.astuple(cell)[:-1], []).append(cell)
    jobs = {}
    for (entry, schedule, budget, workload), group in groups.items():
        named = text.parse(schedule)
        if named.search_space:
            raise ValueError(
                f"schedule {schedule} is to be searched, but a grid says what is tried; give "
                "numbers, as in uba:phi=0.5,uba:phi=2"
            )
        jobs[folder / workload / entry / f"{named.label}@{budget:g}{part}.json"] = {
            "submission": str(find.locate(entry)),
            "schedule": schedule,
            "budget": budget,
            "workload": workload,
            "peaks": [cell.peak for cell in group],
            "seeds": seeds(num_seeds, first),
        }
    kept = conduct("studies.grid", jobs)
    return {
        cell: Result(content["metric"], np.array(values, float))  # null is NaN
        for group, content in zip(groups.values(), kept, strict=True)
        for cell, values in zip(group, content["values"], strict=True)
    }


preload = trial_run.preload  # for a template that forks jobs


def work(payload: Mapping[str, Any], report: Callable[..., None]) -> dict[str, Any]:
    """A job: {"metric", "values": [peak][seed]}, the metric at the end of training."""
    workload = workloads.load(payload["workload"], "lite")
    workload = dataclasses.replace(
        workload, step_hint=max(1, round(payload["budget"] * workload.step_hint))
    )
    entry = native.load(payload["submission"])
    own = entry.self_tuning_point | {"horizon": 1.0}  # the budget is all there is
    entry = entry.on_schedule(text.parse(payload["schedule"]))
    points = [{**own, "learning_rate": peak} for peak in payload["peaks"]]
    return train(workload, entry, points, payload, report)


def train(
    workload: Workload,
    entry: Submission,
    points: Sequence[Mapping[str, Any]],
    payload: Mapping[str, Any],
    report: Callable[..., None],
) -> dict[str, Any]:
    """Trains a population of every point with each of the payload's seeds for the step hint.

    Returns {"metric", "values": [point][seed] with null where training diverged, "steps",
    "num_params", "runs", "training_seconds"}, the last being of all steps and their evaluation.
    """
    members = list(itertools.product(points, payload["seeds"]))
    model = train_step.model_initializer(workload)
    # Every point starts from the same parameters, so that differences are paired by seed.
    initial = {seed: model(seed) for seed in payload["seeds"]}
    evaluate, first = Evaluator(workload), next(iter(initial.values()))
    evaluate.compile(*first)
    is_finite = setup.finiteness(first[0])
    stepper, population = population_of(workload, entry, members, initial, payload)
    stepper.compile(population)
    # Silence is what a process that hangs is killed for, and compiling is silent.
    report(event="beat")
    started, steps = time.monotonic(), workload.step_hint
    population = stepper.advance(population, 0, steps, lambda: report(event="beat"))
    evaluated = stepper.prepare_for_eval(population, steps)
    metric = workload.target_metric_name
    values = []
    for i in range(len(members)):
        value = evaluate(*stepper.member(evaluated, i), "validation")[f"validation/{metric}"]
        # A finite loss on validation may still come from parameters of which some are not.
        sound = math.isfinite(value) and is_finite(stepper.member(population, i).state.params)
        values.append(float(value) if sound else None)
        report(event="beat")
    return {
        "metric": metric,
        "values": np.array(values, object).reshape(len(points), -1).tolist(),
        "steps": steps,
        "num_params": workload.num_params,
        "runs": len(members),
        "training_seconds": time.monotonic() - started,
    }


def population_of(
    workload: Workload,
    entry: Submission,
    members: Sequence[tuple[Mapping[str, Any], int]],
    initial: Mapping[int, Any],
    payload: Mapping[str, Any],
) -> tuple[population_stepper.PopulationStepper, population_stepper.Population]:
    """The stepper of `members`, (point, seed) each, and their first states; nothing is compiled."""
    traced = population_stepper.stacked_points([point for point, _ in members])
    training = train_step.TrainStep(workload, entry)
    num_examples, batch_size = workload.num_train_examples, entry.batch_size(workload)
    # One by one on a CPU, which gains nothing from batching; all at once elsewhere.
    together = 1 if jax.default_backend() == "cpu" else len(members)
    stepper = population_stepper.stepper(
        training,
        workload.dataset("train"),
        [Batches(num_examples, batch_size, seed) for _, seed in members],
        payload["mode"],
        payload["steps_per_dispatch"],
        MemberSharding(len(members), together),
    )
    init = jax.jit(training.init)
    states = [
        init({name: values[i] for name, values in traced.items()}, *initial[seed])
        for i, (_, seed) in enumerate(members)
    ]
    return stepper, stepper.population(states, traced)


def seeds(count: int, first: int = 0) -> list[int]:
    """The seeds of studies, from the `first`."""
    return [tuning.trial_seed(0, study, 1) for study in range(first, first + count)]


def conduct(module: str, payloads: Mapping[Path, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The contents of each file, in order; one that is not there is made by `module`'s `work`.

    A payload names its "workload"; how to step is added to it, and it is kept with the results and
    with the "wall_seconds" of its process.
    Raises ValueError where a file was made with another payload, RuntimeError where a job fails.
    """
    missing = [path for path in payloads if not path.exists()]
    if not missing:
        return [recalled(path, payload) for path, payload in payloads.items()]
    here = local.local(1, None)
    # Calibration compares ways of stepping, which takes longer than a small job.
    names = list(dict.fromkeys(payloads[path]["workload"] for path in missing))
    stepped = {}
    for name, found in experiment_run.calibrate(names, "lite", here):
        stepped[name] = {"mode": found.mode, "steps_per_dispatch": found.steps_per_dispatch}
    jobs = [
        Job(
            name=str(path),
            module=module,
            payload={**payloads[path], **stepped[payloads[path]["workload"]]},
            log=path.with_suffix(".txt"),
            cache=cache.folder() / "compiled",
            preload=(payloads[path]["workload"],),
        )
        for path in missing
    ]
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(module, total=len(jobs))
        for job, outcome in here.run(jobs):
            if outcome.result is None:
                raise RuntimeError(f"{job.name} failed: {outcome.error}; see {job.log}")
            # The file is written when the job is done, so one that exists is complete.
            spent = {"wall_seconds": outcome.wall}
            atomic.write_json(Path(job.name), {**job.payload, **outcome.result, **spent})
            progress.advance(task)
    return [recalled(path, payload) for path, payload in payloads.items()]


def recalled(path: Path, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a file of results.

    Raises ValueError where it was made with another payload.
    """
    content = json.loads(path.read_text())
    # As JSON would keep it: tuples are lists, and keys are text.
    wanted = json.loads(json.dumps(dict(payload)))
    for name in wanted:
        if content[name] != wanted[name]:
            raise ValueError(
                f"{path} was made with {name} {content[name]!r}, expected {wanted[name]!r}; give "
                "another --output_dir"
            )
    return content
