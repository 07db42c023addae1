"""The spec of a trial: plain values that determine it. Imports no JAX."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import workloads
from algoperf_lite import tuning
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.submission import find
from algoperf_lite.training.calibration import NUM_EVALS
from algoperf_lite.trial.config import ExperimentConfig


@dataclasses.dataclass(frozen=True)
class TrialSpec:
    """The values that determine a trial.

    Attributes:
      submission: name or path of the file.
      entry: what logs and leaderboards call it; empty for the stem of the file.
      schedule: replaces the submission's own, see `contenders.Contender`.
      whole_horizon: whether the schedule's horizon is the trial's: a hyperparameter `horizon`, the
        submission's own choice of a part of it, is then 1.
      workload: see `workloads.load`; a path is absolute, since the trial's process has no other way
        to the folder.
      study, trial: position in the experiment; studies count from 0, trials from 1.
      directory: where its logs go.
      config: of the experiment; its seed, with study and trial, is the source of all randomness.
      hyperparameters: overrides the point that the ruleset would give.
      population: of how many members the trial consists and how they evolve; None for a trial of
        one point.
      parameter_multiplier: in place of the workload's own, see `workloads.multiplier`.
      target: validation target; None trains for the whole budget.
      budget: the part of the workload's step hint that is the horizon, in (0, 1].
      in_step_with: budgets of trials that do the same until one of them cools down, its own among
        them, where it matters to the numbers which steps share a dispatch, see `stops.cuts`.
      num_evals: evaluations per horizon, evenly spaced in steps; one more comes after step 1.
      max_seconds: budget on the submission's clock; None for no such limit.
      max_global_steps: budget in steps; None for no such limit.
      stepping_mode, steps_per_dispatch: see `compiled_steps.CompiledSteps`.
      data_dir: of the data sets that are read from files. It says where and not what, so an
        interrupted trial may go on with another.
    """

    submission: str
    workload: str
    study: int
    trial: int
    directory: str
    config: ExperimentConfig = ExperimentConfig()
    entry: str = ""
    schedule: str | None = None
    whole_horizon: bool = False
    hyperparameters: Mapping[str, Any] | None = None
    population: PopulationConfig | None = None
    parameter_multiplier: float | None = None
    target: float | None = None
    budget: float = 1.0
    in_step_with: tuple[float, ...] = ()
    num_evals: int = NUM_EVALS
    max_seconds: float | None = None
    max_global_steps: int | None = None
    stepping_mode: str = "single"
    steps_per_dispatch: int = 16
    data_dir: str | None = dataclasses.field(default=None, compare=False)

    @property
    def submission_name(self) -> str:
        return self.entry or find.name_of(Path(self.submission))

    @property
    def workload_name(self) -> str:
        """What logs and leaderboards call the workload."""
        return workloads.name_of(self.workload)

    @property
    def name(self) -> str:
        """What people call it."""
        where = f"(study {self.study}, trial {self.trial})"
        return f"{self.submission_name} on {self.workload_name} {where}"

    @property
    def seed(self) -> int:
        return tuning.trial_seed(self.config.rng_seed, self.study, self.trial)

    @property
    def form(self) -> str:
        """How it trains: a key of `run.FORMS`."""
        if self.population is not None:
            return "population"
        is_algoperf = find.steps_in_python(find.locate(self.submission))
        return "algoperf" if is_algoperf else "native"

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TrialSpec":
        """The spec of which `dataclasses.asdict` gave the content."""
        rules = content["population"]
        return cls(
            **{
                **content,
                "in_step_with": tuple(content.get("in_step_with", ())),
                "config": ExperimentConfig.from_json(content["config"]),
                "population": rules and PopulationConfig.from_json(rules),
            }
        )
