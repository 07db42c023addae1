"""The order in which trials race: of each study, those first that are likely to be its best.

The sooner the best trial of a study has run, the sooner all others are outrun. So an experiment
that races runs all trials of a study on one workload before the next workload, and of those that
wait takes the one whose point did best on other workloads, and in other studies where those have
the same points. Seeds depend on a trial's place alone, so the order changes no number of any trial.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from algoperf_lite.submission import find
from algoperf_lite.trial import logs
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs.format import OUTRUN

_UNKNOWN = 0.5  # between the best of a study and what never reached the target
Ended = tuple[TrialSpec, Mapping[str, Any]]  # a trial and its record


def by_study(trials: Sequence[TrialSpec]) -> list[TrialSpec]:
    """Trials in the order of a plan, but all of a study on one workload before the next one.

    Submissions still take turns, so that a drift of the machine hits all alike.
    """
    position = {name: i for i, name in enumerate(dict.fromkeys(one.workload for one in trials))}
    return sorted(trials, key=lambda one: (one.study, position[one.workload]))


def following(
    waiting: Sequence[TrialSpec], ended: Iterable[Ended], same_points: AbstractSet[str]
) -> TrialSpec:
    """The trial to run next: of the study that the first one waits for, the most promising.

    Args:
      ended: trials of the experiment that have ended.
      same_points: submissions, as files, whose points are the same in every study.
    """
    cell = [one for one in waiting if _cell(one) == _cell(waiting[0])]
    # Only the submission's own results say something about its points.
    name = waiting[0].submission_name
    worth = _worth([(one, record) for one, record in ended if one.submission_name == name])

    def promise(trial: TrialSpec) -> float:
        is_same = trial.submission in same_points
        found = [
            value
            for one, value in worth
            if one.trial == trial.trial and (is_same or one.study == trial.study)
        ]
        return sum(found) / len(found) if found else _UNKNOWN

    return max(cell, key=promise)  # of equals the first, as planned


@dataclasses.dataclass
class Queue:
    """Trials that wait for their turn; iterating takes the next one out, by what has ended then."""

    waiting: list[TrialSpec]
    ended: list[Ended]
    same_points: frozenset[str]

    @classmethod
    def of(cls, trials: Sequence[TrialSpec], among: Iterable[TrialSpec]) -> "Queue":
        """The queue of trials that wait, `among` those of which some have ended already."""
        waiting = by_study(trials)
        here = {one.directory for one in waiting}
        others = [one for one in among if one.directory not in here]
        records = [(one, logs.read_record(Path(one.directory))) for one in others]
        ended = [(one, record) for one, record in records if record is not None]
        files = {one.submission for one in waiting}
        return cls(waiting, ended, frozenset(filter(_lists_points, files)))

    def __iter__(self) -> Iterator[TrialSpec]:
        while self.waiting:
            trial = following(self.waiting, self.ended, self.same_points)
            self.waiting.remove(trial)
            yield trial

    def tell(self, trial: TrialSpec, record: Mapping[str, Any]) -> None:
        """Takes in how a trial has ended."""
        self.ended.append((trial, record))


def _lists_points(submission: str) -> bool:
    """Whether a file's search space is a list, whose points are taken in order in each study."""
    path = Path(submission)
    if find.steps_in_python(path):
        space = find.companion(path, find.SEARCH_SPACE)
        return space.is_file() and space.read_text().lstrip().startswith("[")
    return isinstance(find.literal(path, "search_space"), list | tuple)


def _cell(trial: TrialSpec) -> tuple[str, str, int]:
    return trial.submission_name, trial.workload, trial.study


def _worth(ended: Sequence[Ended]) -> list[tuple[TrialSpec, float]]:
    """What trials were worth, from 0 to 1: the time of the best of their study over their own."""
    least: dict[tuple[str, str, int], float] = {}
    for trial, record in ended:
        time = record.get("time_to_target")
        if record["status"] == "reached" and time is not None:
            least[_cell(trial)] = min(time, least.get(_cell(trial), time))

    def worth(trial: TrialSpec, record: Mapping[str, Any]) -> float:
        if record["status"] == OUTRUN:
            return _UNKNOWN  # it may have been close
        if record["status"] != "reached":
            return 0.0
        time = record["time_to_target"]
        return least[_cell(trial)] / time if time > 0 else 1.0

    return [(trial, worth(trial, record)) for trial, record in ended]
