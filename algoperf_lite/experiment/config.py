"""The configuration of an experiment: what determines its numbers."""

import dataclasses
from typing import Any

from algoperf_lite import did_you_mean, tuning
from scoring.benchmark import Benchmark

BUDGETS_BY = ("time", "steps")
RULESETS = ("external", "self")
SCALES = ("lite", "full")
VECTORIZE = ("none", "trials")
# Settings of the first edition that are gone, with the value that means what happens now. A
# directory with another value cannot be continued: its trials ran on terms nobody can repeat.
GONE = {"use_installed_algoperf": False, "num_evals": 40}


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """What all trials of an experiment share; a directory holds trials of one configuration only.

    Attributes:
      benchmark: name or file the targets come from.
      scale: "lite" or "full".
      ruleset: studies, trials and slack; made by `RulesetChoice`.
      rng_seed: of the experiment.
      budget_by: "time" (seconds of the reference on this machine) or "steps" (the step hint).
      max_global_steps: a further limit in steps; None for none.
      stop_at_target: whether a trial ends when it reaches its target.
      count_compile: whether compilation is on the submission's clock.
      cores_per_trial: cores each trial is pinned to on a machine without accelerator.
      vectorize: "trials" if trials of one contender and workload train together and their times are
        replayed, see `trial.vectorized`; "none" if each is a process and its times are measured.
    """

    benchmark: str = "lite"
    scale: str = "lite"
    # AlgoPerf's numbers, for Python alone: a run takes those of its benchmark.
    ruleset: tuning.Ruleset = tuning.Ruleset("external", 3, 5, 1.0)
    rng_seed: int = 0
    budget_by: str = "time"
    max_global_steps: int | None = None
    stop_at_target: bool = True
    count_compile: bool = False
    cores_per_trial: int = 1
    vectorize: str = "none"

    def __post_init__(self) -> None:
        did_you_mean.require(self.scale, SCALES, "scale")
        did_you_mean.require(self.budget_by, BUDGETS_BY, "budget")
        did_you_mean.require(self.vectorize, VECTORIZE, "way to vectorize")
        at_least("rng_seed", self.rng_seed, 0)
        at_least("max_global_steps", self.max_global_steps, 1)
        at_least("cores_per_trial", self.cores_per_trial, 1)


@dataclasses.dataclass(frozen=True)
class RulesetChoice:
    """The ruleset as people ask for it: the benchmark's numbers, unless others are given.

    Attributes:
      tuning_ruleset: "external" or "self".
      num_studies, num_tuning_trials: None for the benchmark's.
    """

    tuning_ruleset: str = "external"
    num_studies: int | None = None
    num_tuning_trials: int | None = None

    def __post_init__(self) -> None:
        did_you_mean.require(self.tuning_ruleset, RULESETS, "ruleset")
        at_least("num_studies", self.num_studies, 1)
        at_least("num_tuning_trials", self.num_tuning_trials, 1)

    def of(self, benchmark: Benchmark) -> tuning.Ruleset:
        """The ruleset with what a benchmark says about it."""
        rules = benchmark.ruleset(self.tuning_ruleset)
        return tuning.Ruleset(
            self.tuning_ruleset,
            self.num_studies or rules.num_studies,
            self.num_tuning_trials or rules.num_trials,
            rules.slack,
        )


def at_least(name: str, value: Any, least: int) -> None:
    """Raises ValueError unless a value is None or a whole number >= `least`."""
    # In Python True is 1, and nobody means it.
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (is_whole and value >= least):
        raise ValueError(f"{name} is {value!r}; expected a whole number >= {least}")
