"""Which trials of an experiment share the steps that their budgets have in common.

Of the trials that differ in their budgets alone, the one of the largest is the *trunk*: it runs
first, and the others branch off it (`trial.trunk`). What would not end as it does alone is
left out: where trials stop at targets, look inside, share a program or several hosts. Who shares
changes no number, so a command may go on without it, or begin with it.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from algoperf_lite.schedules import stable, text
from algoperf_lite.trial import attempts, checkpoints
from algoperf_lite.trial.spec import TrialSpec


@dataclasses.dataclass(frozen=True)
class Round:
    """Trials that may run now, and those that wait for them.

    Attributes:
      branches: of a trial, by its directory: those of `later` that it trains with it.
    """

    now: list[TrialSpec]
    later: list[TrialSpec] = dataclasses.field(default_factory=list)
    branches: Mapping[str, Sequence[TrialSpec]] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, trials: Sequence[TrialSpec]) -> "Round":
        """The next round of trials that are left to run, in their order."""
        branches: dict[str, list[TrialSpec]] = {}
        for family in _families(trials):
            trunk = max(family, key=lambda trial: trial.budget)
            found = [one for one in family if one is not trunk and _is_untouched(one)]
            if found:
                branches[trunk.directory] = found
        waiting = {one.directory for found in branches.values() for one in found}
        now = [trial for trial in trials if trial.directory not in waiting]
        return cls(now, [trial for trial in trials if trial.directory in waiting], branches)


def _families(trials: Iterable[TrialSpec]) -> list[list[TrialSpec]]:
    """Trials that differ in their budgets alone, and have a part in common."""
    found: dict[TrialSpec, list[TrialSpec]] = {}
    for trial in trials:
        if not is_free_to_share(trial):
            continue
        if not stable.has_common_part(text.parse(trial.schedule)):
            continue
        of_budget = {"num_evals": 0, "max_seconds": None, "max_global_steps": None}
        alike = dataclasses.replace(trial, budget=1.0, entry="", directory="", **of_budget)
        found.setdefault(alike, []).append(trial)
    return list(found.values())


def is_free_to_share(trial: TrialSpec) -> bool:
    """Whether nothing but its schedule decides that a trial shares steps."""
    config = trial.config
    if config.stop_at_target or config.diagnostics or config.vectorize != "none":
        return False
    is_on_named = trial.schedule is not None and trial.whole_horizon
    return is_on_named and trial.form == "native"


def _is_untouched(trial: TrialSpec) -> bool:
    """Whether a trial has not been begun, and nobody has left it a checkpoint."""
    directory = Path(trial.directory)
    return not (directory / attempts.FILE).exists() and not any(checkpoints.found(directory))
