"""The ruleset of an experiment as people ask for it, and settings of the first edition."""

import dataclasses

from algoperf_lite import did_you_mean, tuning
from algoperf_lite.trial.config import at_least
from scoring.benchmark import Benchmark

RULESETS = ("external", "self")
# Settings of the first edition that are gone, with the value that means what happens now. A
# directory with another value cannot be continued: its trials ran on terms nobody can repeat.
GONE = {"use_installed_algoperf": False, "num_evals": 40}


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
