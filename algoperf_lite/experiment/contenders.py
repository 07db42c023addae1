"""Contenders: what an experiment compares."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.schedules import text
from algoperf_lite.submission import find


@dataclasses.dataclass(frozen=True)
class Contender:
    """What an experiment compares: a submission, perhaps on another schedule or part of the budget.

    Attributes:
      submission: path of its file.
      schedule: in the text form of `text.parse`; None for the submission's own.
      budget: part of the step hint, in (0, 1], that is both the schedule's horizon and the end of
        training; None where the ruleset decides when a trial ends.
      population: trains as a population under these rules.
    """

    submission: str
    schedule: str | None = None
    budget: float | None = None
    population: PopulationConfig | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Contender":
        rules = content["population"]
        return cls(**{**content, "population": rules and PopulationConfig.from_json(rules)})

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
        return self.population is not None

    @property
    def name(self) -> str:
        """In logs and on leaderboards: 'nadamw+uba(phi=5)@0.25' is that on a quarter."""
        name = find.name_of(Path(self.submission))
        if self.schedule is not None:
            name += f"+{text.parse(self.schedule).label}"
        if self.population is not None:
            name += f"+pbt({self.population.size})"
        return name if self.budget in (None, 1.0) else f"{name}@{self.budget:g}"
