"""What people are told about budgets that share steps: who does, who could, and what it saved."""

from collections.abc import Mapping, Sequence
from typing import Any

from algoperf_lite.experiment.branching import Round, is_free_to_share
from algoperf_lite.experiment.run import Quiet, Reporter
from algoperf_lite.schedules import stable, text
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial.spec import TrialSpec


class Telling(Quiet):
    """A reporter that hands everything on to another one, with remarks about branches."""

    def __init__(self, reporter: Reporter, does_branch: bool):
        self._to, self._does_branch = reporter, does_branch
        self._ended: list[Mapping[str, Any]] = []

    def say(self, line: str) -> None:
        """Hands it on."""
        self._to.say(line)

    def on_calibrated(self, workload: str, calibration: Calibration) -> None:
        """Hands it on."""
        self._to.on_calibrated(workload, calibration)

    def on_plan(self, trials: list[TrialSpec], left: list[TrialSpec]) -> None:
        """Says who shares steps."""
        self._to.on_plan(trials, left)
        for line in remarks(left) if self._does_branch else ():
            self._to.say(line)

    def on_event(self, trial: TrialSpec, event: Mapping[str, Any]) -> None:
        """Hands it on."""
        self._to.on_event(trial, event)

    def on_end(self, trial: TrialSpec, record: Mapping[str, Any]) -> None:
        """Takes in what a branch saved."""
        self._to.on_end(trial, record)
        self._ended.append(record)

    def close(self) -> None:
        """Says what all branches have saved."""
        line = saving(self._ended)
        if line is not None:
            self._to.say(line)


def remarks(trials: Sequence[TrialSpec]) -> list[str]:
    """A sentence about who shares steps and what that saves, and one about who could; for trials
    that are left to run."""
    found, lines = Round.of(trials), []
    if found.later:
        trunks = [one for one in found.now if one.directory in found.branches]
        names = dict.fromkeys(map(_contender, trunks))
        whole = sum(one.budget for one in (*trunks, *found.later))
        lines.append(
            f"{', '.join(names)}: the stable part is trained once for all budgets, which saves "
            f"about {sum(map(_part, found.later)) / whole:.0%} of their steps"
        )
    could = dict.fromkeys(
        _contender(one) for one in trials if one.budget < 1.0 and _lacks_a_common_warmup(one)
    )
    if could:
        lines.append(
            f"{', '.join(could)}: each budget is trained from its beginning, as its warmup is a "
            "share of its own steps; fixed_warmup in place of warmup would share the stable part"
        )
    return lines


def saving(records: Sequence[Mapping[str, Any]]) -> str | None:
    """A sentence about what branching has saved in trials that have ended; None where nothing."""
    branches = [record["branch"] for record in records if record.get("branch")]
    if not branches:
        return None
    seconds, steps = (sum(branch[name] for branch in branches) for name in ("seconds", "steps"))
    return (
        f"{len(branches)} of {len(records)} trials branched off a larger budget's: {seconds:.1f} s "
        f"of training, {steps} steps, were not repeated"
    )


def _contender(trial: TrialSpec) -> str:
    """Its name without the budget."""
    return trial.submission_name.rpartition("@")[0] or trial.submission_name


def _part(trial: TrialSpec) -> float:
    """The part of the whole budget that a branch does not train, about."""
    return stable.common_steps(text.parse(trial.schedule), trial.budget, 1.0)


def _lacks_a_common_warmup(trial: TrialSpec) -> bool:
    if not is_free_to_share(trial):
        return False
    named = text.parse(trial.schedule)
    return stable.cools_down(named) and not stable.has_common_part(named)
