"""Runs a grid of trials, keeps them, and compares what they end with across seeds."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.stats
from rich.console import Console

from algoperf_lite import executors, experiment, hardware, submission, trial_logs, tuning
from algoperf_lite.output_directory import Settings
from algoperf_lite.progress import ExperimentProgress
from algoperf_lite.spec import LOWER_IS_BETTER
from algoperf_lite.trial_spec import Entry, TrialSpec

CONFIDENCE = 0.95
RULESET = tuning.Ruleset("self", 1, 1, 1.0)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One setting, run with several seeds.

    Attributes:
      submission, schedule, budget: see `trial_spec.Entry`.
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


def run(cells: Sequence[Cell], num_seeds: int, folder: Path) -> dict[Cell, Result]:
    """Runs what is not finished; the same call continues and recalls."""
    settings = Settings("lite", "lite", RULESET, budget_by="steps", stop_at_target=False)
    names = list(dict.fromkeys(cell.workload for cell in cells))
    trials: dict[Cell, list[TrialSpec]] = {}

    def plan(calibrations: Mapping[str, hardware.Calibration]) -> list[TrialSpec]:
        for cell in cells:
            found = calibrations[cell.workload]
            trials[cell] = [_trial(folder, cell, found, seed) for seed in range(num_seeds)]
        return [trials[cell][seed] for seed in range(num_seeds) for cell in cells]

    with ExperimentProgress(Console(stderr=True)) as progress:
        slots = executors.slots(1, None)
        experiment.conduct(folder, settings, names, plan, slots, 300.0, progress)
    return {cell: _result(trials[cell]) for cell in cells}


def difference(one: Result, other: Result) -> tuple[float, float, float]:
    """Mean paired difference of losses, (mean, low, high): below 0 where `one` is better.

    The limits are Student's over seeds; infinite where a seed diverged or there is only one.
    """
    with np.errstate(invalid="ignore"):
        gaps_S = one.losses_S - other.losses_S
    if len(gaps_S) < 2 or not np.all(np.isfinite(gaps_S)):
        return float(np.nanmean(gaps_S)), -np.inf, np.inf
    mean, error = gaps_S.mean(), scipy.stats.sem(gaps_S)
    if error == 0:
        return float(mean), float(mean), float(mean)
    low, high = scipy.stats.t.interval(CONFIDENCE, len(gaps_S) - 1, mean, error)
    return float(mean), float(low), float(high)


def _trial(folder: Path, cell: Cell, calibration: hardware.Calibration, seed: int) -> TrialSpec:
    path = submission.locate(cell.submission)
    entry = Entry(str(path), cell.schedule, cell.budget)
    point = {**submission.load(cell.submission).self_tuning_point, "learning_rate": cell.peak}
    place = folder / f"peak_{cell.peak:g}" / entry.name / f"study_{seed}"
    return TrialSpec(
        submission=str(path),
        entry=f"{entry.name}, peak {cell.peak:g}",
        schedule=cell.schedule,
        whole_horizon=True,
        workload=cell.workload,
        scale="lite",
        study=seed,
        trial=1,
        experiment_seed=0,
        ruleset=RULESET,
        directory=str(place / f"{cell.workload}_jax" / "trial_1"),
        hyperparameters=point,
        budget=cell.budget,
        max_global_steps=max(1, round(cell.budget * calibration.step_hint)),
        stepping_mode=calibration.mode,
        steps_per_dispatch=calibration.steps_per_dispatch,
    )


def _result(trials: Sequence[TrialSpec]) -> Result:
    records = [trial_logs.read_record(Path(trial.directory)) for trial in trials]
    ends = [r["final"] if r["status"] in ("reached", "not_reached") else None for r in records]
    metric = next((r["metric"] for r in records if "metric" in r), "")
    return Result(metric, np.array([np.nan if value is None else value for value in ends]))
