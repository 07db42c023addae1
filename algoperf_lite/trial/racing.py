"""Racing: a trial stops once nothing that it could still do would change the result of its study.

A study counts as its soonest trial. So a trial that has not reached its target by the time in which
another one of its study did can do what it likes: the least of their times stays what it is. The
same holds of steps, which are counted apart, and of AlgoPerf's own rule, by which the trial counts
that needed the fewest evaluations: all trials of a study are evaluated after the same steps. A
trial is therefore outrun only when it is behind in seconds *and* in steps; then whatever is
computed from times or steps to target is the same, to the last digit, in either unit and either
mode of scoring. The best of a study only ever gets better, so who is outrun stays it.

Nothing else is exact. That a time beyond four times that of the fastest submission earns no credit
does not make it void: speedups and scores against a reference are computed from it, and the
fastest median over studies can still rise when studies are added.

Trials know of each other by their records alone, which lie side by side: whoever runs them, in
whatever process or machine, needs to send nothing, and nothing can get lost.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from algoperf_lite.trial import logs
from algoperf_lite.tuning import is_finite_number


@dataclasses.dataclass(frozen=True)
class Best:
    """The least seconds and the least steps in which trials of a study reached the target."""

    seconds: float
    steps: int

    def outruns(self, seconds: float, steps: int) -> bool:
        """Whether a trial that has not reached the target before this evaluation is behind."""
        # At the very step of the best one it may still tie with it, and then names decide which of
        # the two counts in AlgoPerf's mode. A tie of seconds decides nothing.
        return seconds >= self.seconds and steps > self.steps


def best(records: Iterable[Mapping[str, Any]]) -> Best | None:
    """The best of the trials of one study that have these records; None where none got there."""
    # Only whoever watched a trial adds its attempts, after looking whether it is to be trusted.
    known = [one for one in records if one.get("status") == "reached" and one.get("attempts")]
    times = [(one.get("time_to_target"), one.get("steps_to_target")) for one in known]
    times = [time for time in times if all(map(is_finite_number, time))]
    if not times:
        return None
    return Best(min(seconds for seconds, _ in times), min(steps for _, steps in times))


def outrun_by(directory: Path, seconds: float, step: int) -> Best | None:
    """What has outrun the trial in a directory by this point of its clock; None where nothing has.

    Reads the records of its study, a few small files, which takes a fraction of an evaluation.
    """
    beside = [path for path in directory.parent.glob("trial_*") if path.name != directory.name]
    found = best(filter(None, map(logs.read_record, beside)))
    return found if found is not None and found.outruns(seconds, step) else None


def stop(seconds: float, step: int, best: Best) -> dict[str, float]:
    """What the record of an outrun trial says: where it stopped, and what had outrun it by then."""
    return {
        "seconds": seconds,
        "steps": step,
        "best_seconds": best.seconds,
        "best_steps": best.steps,
    }


def still_stands(directory: Path, record: Mapping[str, Any]) -> bool:
    """Whether what outran a trial is still there, so that the trial need not be run again."""
    said = record.get("outrun") or {}
    seconds, steps = said.get("seconds"), said.get("steps")
    if not (is_finite_number(seconds) and is_finite_number(steps)):
        return False
    return outrun_by(directory, seconds, steps) is not None
