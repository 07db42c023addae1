"""Contenders: the submissions, schedules, budgets and populations that an experiment compares."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.schedules import stable, text
from algoperf_lite.submission import find


@dataclasses.dataclass(frozen=True)
class Contender:
    """One row of a leaderboard: a submission, perhaps on another schedule or part of the budget.

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
            # A schedule is undefined past the horizon that it was built for.
            None if self.budget is None else self.horizon(step_hint),
        ]
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def is_tuned(self) -> bool:
        """Whether a study of it needs no trials at several points."""
        return self.population is not None

    @property
    def searched(self) -> Mapping[str, Any]:
        """What its schedule adds to the search space."""
        return {} if self.schedule is None else text.parse(self.schedule).search_space

    @property
    def has_common_part(self) -> bool:
        """Whether it does the same on every budget until the smallest of them cools down."""
        if self.schedule is None or self.budget is None or self.population is not None:
            return False
        return stable.has_common_part(text.parse(self.schedule))

    @property
    def name(self) -> str:
        """In logs and on leaderboards: 'nadamw+uba(phi=5)@0.25' is that on a quarter."""
        # All that varies is in it, since logs are told apart by their directory alone.
        name = find.name_of(Path(self.submission))
        if self.schedule is not None:
            name += f"+{text.parse(self.schedule).label}"
        if self.population is not None:
            name += f"+pbt({self.population.size})"
        return name if self.budget in (None, 1.0) else f"{name}@{self.budget:g}"


def contenders(
    submissions: Sequence[str],
    schedules: Sequence[str] | None = None,
    budgets: Sequence[float] | None = None,
    population: PopulationConfig | None = None,
) -> tuple[Contender, ...]:
    """Every submission on every schedule on every budget.

    Args:
      submissions: names or paths.
      schedules: in text; None for the submissions' own.
      budgets: parts of the step hint; None for one run that the ruleset ends.
    Raises ValueError for a submission, schedule or budget that is none, for two submissions of one
    name, for one whose schedule cannot be replaced, and as `stable.check` does.
    """
    paths = [find.locate(submission) for submission in submissions]
    # Names make directories: two submissions of one name would write over each other.
    _check_distinct(paths)
    for budget in budgets or ():
        if not 0.0 < budget <= 1.0:
            raise ValueError(
                f"budget {budget!r} is no part of the step hint; give numbers above 0, at most 1"
            )
    # Two spellings of one schedule are one contender.
    named = dict.fromkeys(map(text.parse, schedules)) if schedules else [None]
    runs = sorted(set(budgets)) if budgets else [None]
    found = []
    for path, schedule in itertools.product(paths, named):
        on = runs
        if schedule is not None:
            find.check_schedule_can_be_replaced(path)
            # Without a horizon it would do the same at a smaller budget, so its value there is
            # read off the log of the largest.
            on = runs if schedule.is_horizon_aware else runs[-1:]
        words = None if schedule is None else str(schedule)
        if schedule is not None and on[0] is not None:
            stable.check(schedule, on[0])
        found += [Contender(str(path), words, budget, population) for budget in on]
    return tuple(found)


def check_forms(
    found: Sequence[Contender], vectorize: bool = False, several_hosts: bool = False
) -> None:
    """Raises ValueError where a submission in AlgoPerf's form would have to share a program, or
    devices of other hosts; reads the files and runs none."""
    for path in dict.fromkeys(Path(contender.submission) for contender in found):
        if vectorize:
            find.check_can_be_vectorized(path)
        if not find.steps_in_python(path):
            continue
        form = f"submission {find.name_of(path)!r} is in AlgoPerf's form (update_params), which"
        if several_hosts:
            raise ValueError(
                f"{form} has the devices of one host; leave it or the flags for several hosts out"
            )
        if any(contender.population for contender in found):
            raise ValueError(
                f"{form} is called step by step from Python, so members cannot share a program; "
                "leave it or --population out"
            )


def check_steps(found: Sequence[Contender], microbatches: int | None) -> None:
    """Raises ValueError where a submission that makes its own steps is to cut batches in parts."""
    for path in dict.fromkeys(Path(contender.submission) for contender in found):
        if microbatches is not None and find.steps_in_python(path):
            raise ValueError(
                f"submission {find.name_of(path)!r} is in AlgoPerf's form (update_params), which "
                "makes its own steps, so the harness cannot cut its batches; leave it or "
                "--microbatches out"
            )


def _check_distinct(paths: Sequence[Path]) -> None:
    """Raises ValueError where two files would share one name on the leaderboard."""
    by_name: dict[str, Path] = {}
    for path in paths:
        name = find.name_of(path)
        if name in by_name:
            raise ValueError(
                f"submissions {str(by_name[name])!r} and {str(path)!r} would both be called "
                f"{name!r}; rename one"
            )
        by_name[name] = path
