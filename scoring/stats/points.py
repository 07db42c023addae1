"""Points of a search: which hyperparameters the trials of a submission had, and how well they did.

A trial is as good as the share of the others on its workload that it is better than. Those that
reach the target come first, by their time; then those that do not, by the best of their metric
(one order of two outcomes, the graver one first: Finkelstein and Schoenfeld, Statistics in Medicine
1999). A trial that broke for reasons of the machine tells nothing, and is left out. One that was
outrun has no metric of its end, so where trials were raced, all that did not arrive are equals.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.benchmark import Target
from scoring.logs.format import OUTRUN
from scoring.logs.read import Trial
from scoring.stats.correlation import beaten
from scoring.stats.times import crossing, value_at

# Divergence is the hyperparameters' doing; these may be anybody's.
_NOT_THEIR_FAULT = ("out_of_memory", "crashed", "timed_out", "invalid")


@dataclass(frozen=True, eq=False)
class Points:
    """P different points of one submission, their H hyperparameters, and W workloads.

    Trials of the same point, as where a search space is a list, count as one: the second adds
    nothing about the hyperparameters.
    """

    names: tuple[str, ...]  # hyperparameters that have an order and at least two values
    value_HP: np.ndarray
    workloads: tuple[str, ...]
    good_WP: np.ndarray  # in [0, 1], more is better; NaN: no trial there
    group_P: np.ndarray  # points of one group may change their results, if nothing has an effect
    fixed: tuple[str, ...]  # hyperparameters with one value
    unordered: tuple[str, ...]  # whose values are no numbers, or not in every point
    num_left_out: int  # trials that tell nothing: broken, of a population, or without a point

    @property
    def size(self) -> int:
        """The number of points."""
        return self.good_WP.shape[1]


def points(
    trials: Sequence[Trial], targets: Mapping[str, Target], mode: str = "exact", by: str = "time"
) -> Points:
    """The points of the trials of one submission, on the workloads that have a target here."""
    own = [trial for trial in trials if trial.workload in targets]
    told = [trial for trial in own if _tells(trial, targets[trial.workload])]
    workloads = tuple(dict.fromkeys(trial.workload for trial in told))
    found: dict[str, dict[str, list[float]]] = {}
    studies: dict[str, set[int]] = {}
    for workload in workloads:
        here = [trial for trial in told if trial.workload == workload]
        goods = goodness(here, targets[workload], mode, by)
        for trial, good in zip(here, goods.tolist(), strict=True):
            # As text: values may be of any kind, and 1 and 1.0 are one value.
            key = json.dumps(_plain(trial.hyperparameters), sort_keys=True, default=str)
            found.setdefault(key, {}).setdefault(workload, []).append(good)
            studies.setdefault(key, set()).add(trial.study)
    values = [json.loads(key) for key in found]
    names, fixed, unordered = _kinds(values)
    return Points(
        names=names,
        value_HP=np.array([[float(point[name]) for point in values] for name in names]).reshape(
            len(names), len(values)
        ),
        workloads=workloads,
        good_WP=np.array(
            [[np.mean(at.get(w, [np.nan])) for at in found.values()] for w in workloads]
        ).reshape(len(workloads), len(values)),
        group_P=_groups([frozenset(s) for s in studies.values()], [set(a) for a in found.values()]),
        fixed=fixed,
        unordered=unordered,
        num_left_out=len(own) - len(told),
    )


def goodness(trials: Sequence[Trial], target: Target, mode: str, by: str) -> np.ndarray:
    """Share of the other trials that each is better than; equals count half."""
    outcomes = []
    was_raced = any(trial.status == OUTRUN for trial in trials)
    for trial in trials:
        row, best = crossing(trial, target), target.best(trial.metric)
        missed = best if target.lower_is_better else -best
        time = value_at(trial, row, mode, by)
        outcomes.append((time, math.inf if math.isnan(missed) or was_raced else missed))
    # A time that is not infinite decides, and the metric only behind it.
    keys = [(time, 0.0 if math.isfinite(time) else missed) for time, missed in outcomes]
    place = {key: i for i, key in enumerate(sorted(set(keys)))}
    return beaten(-np.array([float(place[key]) for key in keys]))


def _tells(trial: Trial, target: Target) -> bool:
    """Whether the trial is one of a point, and its end the point's doing."""
    # Members of a population change their hyperparameters as they train.
    if not trial.hyperparameters or trial.info.get("pbt") or trial.info.get("winner"):
        return False
    return trial.status not in _NOT_THEIR_FAULT or crossing(trial, target) is not None


def _plain(point: Mapping[str, object]) -> dict[str, object]:
    """The point with its numbers as floats, as far as they are any."""
    return {str(name): _number(value) for name, value in point.items()}


def _number(value: object) -> object:
    """A float for a finite number or a truth value, anything else as it is."""
    if not isinstance(value, bool | int | float):
        return value
    try:
        number = float(value)
    except OverflowError:
        return str(value)
    return number if math.isfinite(number) else str(value)


def _kinds(
    points: Sequence[Mapping[str, object]],
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Names of hyperparameters: those that vary in an order, those that do not, all others."""
    varying, fixed, unordered = [], [], []
    for name in sorted({name for point in points for name in point}):
        values = [point.get(name) for point in points]
        if all(json.dumps(value) == json.dumps(values[0]) for value in values):
            fixed.append(name)
        elif all(isinstance(value, float) for value in values):
            varying.append(name)
        else:
            unordered.append(name)
    return tuple(varying), tuple(fixed), tuple(unordered)


def _groups(studies: Sequence[frozenset[int]], workloads: Sequence[set[str]]) -> np.ndarray:
    """The group of each point: those of the same studies, known on the same workloads.

    The points of a study lie evenly, each in a part of the space of its own, so only they are alike
    enough to change places. Where no study has two, all are drawn alike.
    """
    is_alone = all(studies.count(own) < 2 for own in set(studies))
    keys = [
        ((), *sorted(known)) if is_alone else (tuple(sorted(own)), *sorted(known))
        for own, known in zip(studies, workloads, strict=True)
    ]
    numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], dtype=int)
