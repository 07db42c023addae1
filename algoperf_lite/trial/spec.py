"""What a trial is before it runs and the record it leaves, as plain values. Imports no JAX."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf_lite import tuning
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.population.evolution import Point
from algoperf_lite.submission import find

# (first step, hyperparameters) of each stretch of training; None for a submission without any.
Course = tuple[tuple[int, Point | None], ...]


@dataclasses.dataclass(frozen=True)
class TrialSpec:
    """Everything that determines a trial.

    Attributes:
      submission: name or path of the file.
      entry: what logs and leaderboards call it; empty for the stem of the file.
      schedule: replaces the submission's own, see `Entry`.
      whole_horizon: whether the schedule's horizon is the trial's: a hyperparameter `horizon`, the
        submission's own choice of a part of it, is then 1.
      workload, scale: see `workloads.load`.
      study, trial: position in the experiment; studies count from 0, trials from 1.
      experiment_seed: with study and trial, the source of all randomness.
      ruleset: see `tuning.Ruleset`.
      directory: where its logs go.
      hyperparameters: overrides the point that the ruleset would give.
      course: overrides it too, by values that change at given steps; the first at step 0.
      population: of how many members the trial consists and how they evolve; None for a trial of
        one point.
      target: validation target; None trains for the whole budget.
      budget: the part of the workload's step hint that is the horizon, in (0, 1].
      num_evals: evaluations per horizon, evenly spaced in steps; one more comes after step 1.
      max_seconds: budget on the submission's clock; None for no such limit.
      max_global_steps: budget in steps; None for no such limit.
      stop_at_target: whether the trial ends when it reaches the target.
      count_compile: whether compilation is on the submission's clock.
      use_installed_algoperf: whether a file in AlgoPerf's form gets the real package, if there.
      stepping_mode, steps_per_dispatch: see `compiled_steps.CompiledSteps`.
    """

    submission: str
    workload: str
    scale: str
    study: int
    trial: int
    experiment_seed: int
    ruleset: tuning.Ruleset
    directory: str
    entry: str = ""
    schedule: str | None = None
    whole_horizon: bool = False
    hyperparameters: Mapping[str, Any] | None = None
    course: Course | None = None
    population: PopulationConfig | None = None
    target: float | None = None
    budget: float = 1.0
    num_evals: int = 40
    max_seconds: float | None = None
    max_global_steps: int | None = None
    stop_at_target: bool = True
    count_compile: bool = False
    use_installed_algoperf: bool = False
    stepping_mode: str = "single"
    steps_per_dispatch: int = 16

    @property
    def submission_name(self) -> str:
        return self.entry or find.name_of(Path(self.submission))

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.submission_name} on {self.workload} (study {self.study}, trial {self.trial})"

    @property
    def seed(self) -> int:
        return tuning.trial_seed(self.experiment_seed, self.study, self.trial)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TrialSpec":
        ruleset = tuning.Ruleset(**content["ruleset"])
        return cls(**{**content, "ruleset": ruleset, **_course_and_population(content)})


def _course_and_population(content: Mapping[str, Any]) -> dict[str, Any]:
    course, rules = content["course"], content["population"]
    return {
        "course": course and tuple((step, point) for step, point in course),
        "population": rules and PopulationConfig.from_json(rules),
    }
