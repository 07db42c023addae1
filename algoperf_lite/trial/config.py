"""The configuration of an experiment: what all its trials share. Imports no JAX."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from algoperf_lite import did_you_mean, tuning
from algoperf_lite.machine.numerics import Numerics
from scoring import benchmark

BUDGETS_BY = ("time", "steps", "published")
SCALES = benchmark.SCALES
# What an experiment at a scale is judged by, and what ends its trials, unless it says so.
BENCHMARKS = {"lite": "lite", "full": "algoperf_2026"}
USUAL_BUDGETS_BY = {"lite": "time", "full": "published"}
VECTORIZE = ("none", "trials")
REQUIREMENTS = ("installed", "strict", "isolated")
BATCH_NORMS = ("batch", "parts")


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """The configuration of an experiment; a directory holds trials of one configuration only.

    Attributes:
      benchmark: name, with its version, or file the targets come from; None becomes the scale's.
      scale: "lite" or "full".
      ruleset: studies, trials and slack; made by `RulesetChoice`.
      rng_seed: of the experiment.
      budget_by: "time" (seconds of the reference on this machine), "steps" (the step hint) or
        "published" (the benchmark's seconds, on whatever machine); None becomes the scale's.
      max_global_steps: a further limit in steps; None for none.
      stop_at_target: whether a trial ends when it reaches its target.
      count_compile: whether compilation is on the submission's clock.
      cores_per_trial: cores each trial is pinned to on a machine without accelerator.
      devices_per_trial: accelerators each trial trains on, where there are any.
      vectorize: "trials" if trials of one contender and workload train together and their times are
        replayed, see `trial.vectorized`; "none" if each is a process and its times are measured.
      eval_examples: most examples of a split that are evaluated; None for all of them.
      microbatches: equal parts of a batch whose gradients are added up, see `microbatches`; None
        for 1 at lite scale, and for as many as memory asks for at full scale.
      batch_norm: "batch" if its statistics are of a whole batch, which is then never cut; "parts"
        if they are of each microbatch.
      requirements: what is done about a requirements.txt, see `environments.prepare`.
      precision, deterministic: see `numerics.Numerics`; a precision of None becomes this machine's.
      diagnostics: whether evaluations also look inside the training, see `trial.diagnostics`.
    """

    benchmark: str | None = None
    scale: str = "lite"
    # AlgoPerf's numbers, for Python alone: a run takes those of its benchmark.
    ruleset: tuning.Ruleset = tuning.Ruleset("external", 3, 5, 1.0)
    rng_seed: int = 0
    budget_by: str | None = None
    max_global_steps: int | None = None
    stop_at_target: bool = True
    count_compile: bool = False
    cores_per_trial: int = 1
    devices_per_trial: int = 1
    vectorize: str = "none"
    eval_examples: int | None = None
    microbatches: int | None = None
    batch_norm: str = "batch"
    requirements: str = "installed"
    precision: str | None = None
    deterministic: bool = False
    diagnostics: bool = False

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ExperimentConfig":
        """The configuration of which `dataclasses.asdict` gave the content."""
        return cls(**{**content, "ruleset": tuning.Ruleset(**content["ruleset"])})

    def __post_init__(self) -> None:
        did_you_mean.require(self.scale, SCALES, "scale")
        # Versioned here and now: what is run against `lite` today is of today's version for ever.
        named = self.benchmark or BENCHMARKS[self.scale]
        object.__setattr__(self, "benchmark", benchmark.resolved(named))
        usual = self.budget_by or USUAL_BUDGETS_BY[self.scale]
        object.__setattr__(self, "budget_by", usual)
        # So is the precision: what is run without a word about it is of this machine's for ever.
        object.__setattr__(self, "precision", self.numerics.resolved().precision)
        did_you_mean.require(self.budget_by, BUDGETS_BY, "budget")
        did_you_mean.require(self.vectorize, VECTORIZE, "way to vectorize")
        did_you_mean.require(self.requirements, REQUIREMENTS, "way to meet requirements")
        did_you_mean.require(self.batch_norm, BATCH_NORMS, "kind of batch norm")
        at_least("rng_seed", self.rng_seed, 0)
        at_least("max_global_steps", self.max_global_steps, 1)
        at_least("eval_examples", self.eval_examples, 1)
        at_least("microbatches", self.microbatches, 1)
        at_least("cores_per_trial", self.cores_per_trial, 1)
        at_least("devices_per_trial", self.devices_per_trial, 1)

    @property
    def numerics(self) -> Numerics:
        """The numerics of all processes that train."""
        return Numerics(self.precision, self.deterministic)


def at_least(name: str, value: Any, least: int) -> None:
    """Raises ValueError unless a value is None or a whole number >= `least`."""
    # In Python True is 1, and nobody means it.
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (is_whole and value >= least):
        raise ValueError(f"{name} is {value!r}; expected a whole number >= {least}")
