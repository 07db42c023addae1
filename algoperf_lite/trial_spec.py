"""What a trial is before it runs and the record it leaves, as plain values. Imports no JAX."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf_lite import schedule_names, submission, tuning
from algoperf_lite.population import Point
from algoperf_lite.population_rules import PopulationRules

# (first step, hyperparameters) of each stretch of training; None for a submission without any.
Course = tuple[tuple[int, Point | None], ...]


@dataclasses.dataclass(frozen=True)
class Entry:
    """What an experiment compares: a submission, perhaps on another schedule or part of the budget.

    Attributes:
      submission: path of its file.
      schedule: in the text form of `schedule_names.parse`; None for the submission's own.
      budget: part of the step hint, in (0, 1], that is both the schedule's horizon and the end of
        training; None where the ruleset decides when a trial ends.
      population: trains as a population under these rules.
      course: trains on these hyperparameters, as the winner of a population did.
    """

    submission: str
    schedule: str | None = None
    budget: float | None = None
    population: PopulationRules | None = None
    course: Course | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Entry":
        return cls(**{**content, **_course_and_population(content)})

    def horizon(self, step_hint: int) -> int:
        """Steps of its schedule."""
        return max(1, round((self.budget or 1.0) * step_hint))

    def last_step(
        self, slack: float, step_hint: int, max_global_steps: int | None, by_time: bool = False
    ) -> int | None:
        """Where training ends at the latest; None where only the clock ends it.

        A population also ends after a trial's steps: what devices in parallel save is saved time.
        """
        steps = slack * (self.budget or 1.0) * step_hint
        limits = [
            max_global_steps,
            None if by_time and self.population is None else max(1, round(steps)),
            # A schedule that was promised a budget has nothing to say beyond it.
            None if self.budget is None else self.horizon(step_hint),
        ]
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def is_tuned(self) -> bool:
        """Whether a study of it needs no trials at several points."""
        return self.population is not None or self.course is not None

    @property
    def name(self) -> str:
        """In logs and on leaderboards: 'nadamw+uba(phi=5)@0.25' is that on a quarter."""
        name = submission.name_of(Path(self.submission))
        if self.schedule is not None:
            name += f"+{schedule_names.parse(self.schedule).label}"
        if self.population is not None:
            name += f"+pbt({self.population.size})"
        if self.course is not None:
            name += "+replay"
        return name if self.budget in (None, 1.0) else f"{name}@{self.budget:g}"


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
      stepping_mode, steps_per_dispatch: see `programs.Programs`.
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
    population: PopulationRules | None = None
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
        return self.entry or submission.name_of(Path(self.submission))

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
        "population": rules and PopulationRules.from_json(rules),
    }


def blank_record(spec: TrialSpec) -> dict[str, Any]:
    """The record (`trial.json`) of a trial that has not got anywhere."""
    return {
        "status": "crashed",
        "error": None,
        "submission": spec.submission_name,
        "workload": spec.workload,
        "scale": spec.scale,
        "ruleset": spec.ruleset.name,
        "study": spec.study,
        "trial": spec.trial,
        "experiment_seed": spec.experiment_seed,
        "seed": spec.seed,
        "target": spec.target,
        "budget": spec.budget,
        "schedule": spec.schedule,
        "max_seconds": spec.max_seconds,
        "timing": "measured",
        "stepping": {"mode": spec.stepping_mode, "steps_per_dispatch": spec.steps_per_dispatch},
        "count_compile": spec.count_compile,
        "hyperparameters": spec.hyperparameters,
        "course": spec.course,
        "pbt": None if spec.population is None else dataclasses.asdict(spec.population),
        "compile_seconds": None,
        "steps": 0,
        "best": None,
        "final": None,
        "time_to_target": None,
        "steps_to_target": None,
        "ledger": {},
        "earlier_wall": 0.0,  # seconds of the ledger from processes that were interrupted
        "preemption_count": 0,
        "fingerprint": {},
        "versions": {},
        "data_sha256": None,
        "submission_sha256": None,
        "num_params": None,
    }
