"""The metric at a given budget: at a quarter, half and all of a workload's steps.

A trial's value is that of its last evaluation at or before the budget, a study's is that of its
best trial there, and the median over studies counts. A trial that stopped because it had reached
its target is not followed beyond its log: its value is a lower bound, and ranks say so.

A schedule that knows its horizon does not pass through its own shorter runs: "adamw@0.25" is the
submission "adamw" trained for a quarter, and stands for it there. Where a submission has no run of
just that length, the next longer one is read off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby

import numpy as np

from scoring.benchmark import Target
from scoring.logs.format import FAILURES
from scoring.logs.read import Trial
from scoring.stats.times import crossing

SHARES = (0.25, 0.5, 1.0)
_RUN = re.compile(r"(.+)@(0?\.[0-9]+|1)")


@dataclass(frozen=True)
class AtBudget:
    """One submission on one workload at one share of the workload's step budget."""

    submission: str
    workload: str
    share: float
    step: int  # the budget
    metric: float  # median over studies; NaN: nothing finite
    worst: float  # over studies; NaN: a study had nothing finite
    best: float
    at_least: bool  # the median rests on trials that stopped at their target: at least as good
    num_studies: int
    stopped_early: int  # studies in which a trial reached its target and stopped before the budget
    ended_early: int  # studies whose best trial ended before the budget, its target not reached
    # Best and worst place that the values allow; unequal only where someone stopped early.
    rank: tuple[int, int] = (1, 1)

    def to_json(self) -> dict:
        """Plain JSON values, NaN as null, without the names of submission and workload."""
        content = {k: None if v != v else v for k, v in asdict(self).items()}
        return {k: v for k, v in content.items() if k not in ("submission", "workload")} | {
            "rank": list(self.rank)
        }


@dataclass(frozen=True)
class _Values:
    """Values on all shares of one study, (B,) each, greater is better, -inf for none."""

    value_B: np.ndarray
    stopped_B: np.ndarray  # bool: a trial stopped at its target before this budget
    ended_B: np.ndarray  # bool: the best trial ended before this budget


def at_budgets(
    trials: Iterable[Trial], targets: Mapping[str, Target], shares: Sequence[float] = SHARES
) -> tuple[AtBudget, ...]:
    """Every submission on every workload that has a target here, at every share of its budget."""

    def place(trial: Trial) -> tuple[str, str]:
        return trial.workload, contender(trial.submission)[0]

    order = {name: i for i, name in enumerate(targets)}
    scored = sorted(
        (t for t in trials if t.workload in targets),
        key=lambda t: (order[t.workload], *contender(t.submission), t.study, t.trial),
    )
    cells: dict[str, list[list[AtBudget]]] = {}
    bounds: dict[str, list[np.ndarray]] = {}
    for (workload, submission), group in groupby(scored, place):
        target = targets[workload]
        steps_B = np.array([round(share * target.step_hint) for share in shares])
        runs = {
            length: [_study(s, target, steps_B) for _, s in groupby(run, lambda t: t.study)]
            for length, run in groupby(group, lambda t: contender(t.submission)[1])
        }
        found, bound = _joined(submission, workload, target, shares, steps_B, runs)
        cells.setdefault(workload, []).append(found)
        bounds.setdefault(workload, []).append(bound)
    return tuple(
        replace(cell, rank=rank)
        for workload, rows in cells.items()
        for row, ranks in zip(rows, _ranks(np.array(bounds[workload])), strict=True)
        for cell, rank in zip(row, ranks, strict=True)
    )


def trial_values(
    trial: Trial, target: Target, steps_B: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A trial's value at each number of steps, (B,), greater is better, -inf for none; and whether
    it had stopped at its target by then."""
    found = _trial(trial, target, steps_B)
    return found.value_B, found.stopped_B


def contender(submission: str) -> tuple[str, float]:
    """(name, part of the step budget that it was trained for): ("adamw", 0.25) for "adamw@0.25"."""
    match = _RUN.fullmatch(submission)
    return (match[1], float(match[2])) if match else (submission, 1.0)


def to_json(submissions: Iterable[str], cells: Iterable[AtBudget]) -> dict:
    """{submission: {workload: [one object per share]}}, submissions in the given order."""
    found: dict[str, dict[str, list]] = {name: {} for name in submissions}
    for cell in cells:
        found.setdefault(cell.submission, {}).setdefault(cell.workload, []).append(cell.to_json())
    return found


def _joined(
    submission: str,
    workload: str,
    target: Target,
    shares: Sequence[float],
    steps_B: np.ndarray,
    runs: Mapping[float, Sequence[_Values]],
) -> tuple[list[AtBudget], np.ndarray]:
    """A cell at each budget, each from the run that is meant for it, and bounds, (B, 2).

    Args:
      runs: studies by the part of the budget that they were trained for.
    """
    by_length = {
        length: _median(submission, workload, target, shares, steps_B, rows)
        for length, rows in runs.items()
    }
    chosen = [
        min((length for length in runs if length >= share), default=max(runs)) for share in shares
    ]
    cells = [by_length[length][0][b] for b, length in enumerate(chosen)]
    return cells, np.array([by_length[length][1][b] for b, length in enumerate(chosen)])


def _study(trials: Iterable[Trial], target: Target, steps_B: np.ndarray) -> _Values:
    """The best trial of a study at each budget."""
    rows = [_trial(trial, target, steps_B) for trial in trials]
    value_TB = np.array([row.value_B for row in rows])
    best_B = value_TB.argmax(axis=0)
    ended_TB = np.array([row.ended_B for row in rows])
    return _Values(
        value_TB.max(axis=0),
        np.array([row.stopped_B for row in rows]).any(axis=0),
        np.take_along_axis(ended_TB, best_B[None], axis=0)[0],
    )


def _trial(trial: Trial, target: Target, steps_B: np.ndarray) -> _Values:
    """One trial's value at each budget, and whether its log ends before it."""
    # Rows may be in any order and their steps unknown: the last evaluation is that of the largest
    # step, the later row of two.
    known = np.isfinite(trial.steps)
    steps, metric = trial.steps, trial.metric
    if not known.all() or (steps[1:] < steps[:-1]).any():
        order = np.flatnonzero(known)[np.argsort(steps[known], kind="stable")]
        steps, metric = steps[order], metric[order]
    signed = -metric if target.lower_is_better else metric
    # An invalid trial proves nothing; a metric that is not finite is as bad as none.
    usable = np.isfinite(signed) & (trial.status != "invalid")
    values = np.append(np.where(usable, signed, -np.inf), -np.inf)
    value_B = values[np.searchsorted(steps, steps_B, side="right") - 1]  # -1: before the first
    short_B = steps_B > (steps[-1] if steps.size else -np.inf)
    stopped = trial.status not in FAILURES and crossing(trial, target) is not None
    return _Values(value_B, short_B & stopped, short_B & (not stopped))


def _median(
    submission: str,
    workload: str,
    target: Target,
    shares: Sequence[float],
    steps_B: np.ndarray,
    rows: Sequence[_Values],
) -> tuple[list[AtBudget], np.ndarray]:
    """A cell at each budget with its rank left open, and bounds on its goodness, (B, 2)."""
    value_SB = np.array([row.value_B for row in rows])
    stopped_SB = np.array([row.stopped_B for row in rows])
    ended_B = np.array([row.ended_B for row in rows]).sum(axis=0)
    lower_B = _middle(value_SB)
    upper_B = _middle(np.where(stopped_SB, np.inf, value_SB))
    sign = -1.0 if target.lower_is_better else 1.0

    def plain(value: float) -> float:
        return float(sign * value) if np.isfinite(value) else float("nan")

    cells = [
        AtBudget(
            submission=submission,
            workload=workload,
            share=float(share),
            step=int(steps_B[b]),
            metric=plain(lower_B[b]),
            worst=plain(value_SB[:, b].min()),
            best=plain(value_SB[:, b].max()),
            at_least=bool(upper_B[b] > lower_B[b]),
            num_studies=len(rows),
            stopped_early=int(stopped_SB[:, b].sum()),
            ended_early=int(ended_B[b]),
        )
        for b, share in enumerate(shares)
    ]
    return cells, np.stack([lower_B, upper_B], axis=-1)


def _middle(value_SB: np.ndarray) -> np.ndarray:
    """Median over studies; infinities take part."""
    ordered = np.sort(value_SB, axis=0)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    with np.errstate(invalid="ignore"):
        middle = low / 2 + high / 2
    return np.where(np.isnan(middle), np.inf, middle)  # -inf and an open end: anything


def _ranks(bounds_SB2: np.ndarray) -> list[list[tuple[int, int]]]:
    """Best and worst place of each submission at each budget; equals share a place."""
    lower_SB, upper_SB = bounds_SB2[..., 0], bounds_SB2[..., 1]
    best_SB = 1 + (lower_SB[None] > upper_SB[:, None]).sum(axis=1)
    # Nobody stands below themselves: an open interval overlaps itself.
    worst_SB = 1 + (upper_SB[None] > lower_SB[:, None]).sum(axis=1) - (upper_SB > lower_SB)
    return [
        [(int(best), int(worst)) for best, worst in zip(*row, strict=True)]
        for row in zip(best_SB, worst_SB, strict=True)
    ]
