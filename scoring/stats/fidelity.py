"""Fidelity: whether board A orders submissions as board B does, and which workloads carry that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from scoring.benchmark import nearest
from scoring.stats import agreement
from scoring.stats.agreement import Agreement, Estimate
from scoring.stats.budgets import SHARES
from scoring.stats.draws import Limits, limits
from scoring.stats.measures import Measure
from scoring.stats.sides import Side

MIN_SUBMISSIONS = 3  # of two, an order is right or wrong and no more
_SHUFFLE = 1  # seed


@dataclass(frozen=True)
class Point:
    """A submission's score on both boards, with 95% intervals over studies."""

    a_name: str
    b_name: str
    a: float
    a_limits: Limits
    b: float
    b_limits: Limits


@dataclass(frozen=True)
class CarriedBy:
    """A workload's part in the agreement.

    Attributes:
      alone: the agreement of the orders on this workload; None where B has none of it.
      gain: Kendall's tau of the scores, less what it is where A leaves the workload out.
    """

    workload: str
    alone: Agreement | None
    gain: Estimate


@dataclass(frozen=True, eq=False)
class Fidelity:
    """Two boards compared over the submissions and workloads that both have.

    Attributes:
      whole: the agreement of the scores, by time where both sides have times.
      others: by steps, by metric, and A's metric against B's score.
      a_only, b_only: submissions that were matched with none.
      a_workloads_only, b_workloads_only: workloads of one side alone, left out of every number.
    """

    a: Side
    b: Side
    points: tuple[Point, ...]  # by B's score, the best first
    workloads: tuple[str, ...]
    a_only: tuple[str, ...]
    b_only: tuple[str, ...]
    a_workloads_only: tuple[str, ...]
    b_workloads_only: tuple[str, ...]
    whole: Agreement
    others: tuple[Agreement, ...]
    carried_by: tuple[CarriedBy, ...]  # by their gain, the largest first

    def to_json(self) -> dict:
        """Plain JSON values; null for what cannot be told."""
        return {
            "a": _side_json(self.a, self.a_only, self.a_workloads_only),
            "b": _side_json(self.b, self.b_only, self.b_workloads_only),
            "workloads": list(self.workloads),
            "scores": [
                {
                    "a": p.a_name,
                    "b": p.b_name,
                    "a_score": p.a,
                    "a_interval": list(p.a_limits),
                    "b_score": p.b,
                    "b_interval": list(p.b_limits),
                }
                for p in self.points
            ],
            "whole": self.whole.to_json(),
            "others": [one.to_json() for one in self.others],
            "by_workload": {
                one.workload: {
                    "alone": one.alone and one.alone.to_json(),
                    "gain": one.gain.to_json(),
                }
                for one in self.carried_by
            },
        }


def compare(a: Side, b: Side, match: Mapping[str, str] | None = None) -> Fidelity:
    """The fidelity of board A to board B.

    Args:
      match: names on B by names on A; submissions that it does not name are matched by their own.
    Raises ValueError for an unknown name, for fewer than three matched submissions, for no common
    workload, and where times on one side do not compare.
    """
    pairs = matched(a, b, match or {})
    a_names, b_names = zip(*pairs, strict=True)
    workloads = _common(a, b)
    a_by, b_by = ("time" if "time" in side.yardsticks else "score" for side in (a, b))
    of_a = a.by_clock(a_by, a_names, workloads or a.workloads)
    of_b = _independent(a, b, b.by_clock(b_by, b_names, workloads or b.workloads))
    carried_by = [
        CarriedBy(
            name,
            agreement.of_workload(of_a, of_b, name) if name in of_b.workloads else None,
            agreement.loss_without(of_a, of_b, name),
        )
        for name in (of_a.workloads if len(of_a.workloads) > 1 else ())
    ]
    used = workloads or of_a.workloads or of_b.workloads
    return Fidelity(
        a=a,
        b=b,
        points=_points(pairs, of_a, of_b),
        workloads=used,
        a_only=tuple(name for name in a.submissions if name not in a_names),
        b_only=tuple(name for name in b.submissions if name not in b_names),
        a_workloads_only=tuple(name for name in a.workloads if name not in used),
        b_workloads_only=tuple(name for name in b.workloads if name not in used),
        whole=agreement.of_scores(of_a, of_b),
        others=tuple(_others(a, b, of_b, (a_names, b_names), workloads)),
        carried_by=tuple(sorted(carried_by, key=_least_gain_last)),
    )


def _least_gain_last(one: CarriedBy) -> float:
    return float(np.nan_to_num(-one.gain.value, nan=np.inf))  # an unknown one behind all


def matched(a: Side, b: Side, match: Mapping[str, str]) -> list[tuple[str, str]]:
    """Names on A and B of the same submissions, sorted by A's.

    Raises ValueError for a name that a side does not have, one that is matched twice, and fewer
    than three pairs.
    """
    for ours, theirs in match.items():
        nearest(ours, a.submissions, f"submission of {a.label}")
        nearest(theirs, b.submissions, f"submission of {b.label}")
    twice = sorted(name for name in set(match.values()) if [*match.values()].count(name) > 1)
    if twice:
        raise ValueError(f"{', '.join(twice)} of {b.label} is matched twice; match it once")
    # A name that was given to another submission is no longer matched with its own.
    same = {
        name: name
        for name in a.submissions
        if name in b.submissions and name not in match and name not in match.values()
    }
    found = sorted({**same, **match}.items())
    if len(found) < MIN_SUBMISSIONS:
        raise ValueError(_too_few(a, b, found))
    return found


def _too_few(a: Side, b: Side, found: Sequence[tuple[str, str]]) -> str:
    """What each side has, and the names that may be meant for each other."""
    mine = [name for name in a.submissions if name not in dict(found)]
    theirs = [name for name in b.submissions if name not in dict(found).values()]
    guesses = {name: get_close_matches(name, theirs, n=1, cutoff=0.4) for name in mine}
    flags = ",".join(f"{name}={close[0]}" for name, close in guesses.items() if close)
    advice = f"did you mean --match={flags}?" if flags else "name pairs by --match=A_NAME=B_NAME"
    return (
        f"{len(found) or 'no'} submissions in common, and an order takes {MIN_SUBMISSIONS}; "
        f"{a.label} has {', '.join(a.submissions) or 'none'}; "
        f"{b.label} has {', '.join(b.submissions) or 'none'}; {advice}"
    )


def _common(a: Side, b: Side) -> tuple[str, ...]:
    """Workloads of both, in A's order; () where a table of scores does not tell its own."""
    if not a.workloads or not b.workloads:
        return ()
    found = tuple(name for name in a.workloads if name in b.workloads)
    if not found:
        raise ValueError(
            f"no workload in common: {a.label} has {', '.join(a.workloads)}; "
            f"{b.label} has {', '.join(b.workloads)}; choose other boards or benchmarks"
        )
    return found


def _independent(a: Side, b: Side, of_b: Measure) -> Measure:
    """B's measure with draws that have nothing to do with A's, unless they are of one run.

    Both sides draw by submission and workload from one seed, so that the same studies of the same
    runs are drawn together; studies of different runs must not be.
    """
    return of_b if a.shares_runs(b) else of_b.shuffled(_SHUFFLE)


def _others(
    a: Side, b: Side, of_b: Measure, names: tuple[Iterable[str], Iterable[str]], workloads: tuple
) -> Iterator[Agreement]:
    """The agreement by everything but the first yardstick."""
    a_names, b_names = names
    on_a, on_b = workloads or a.workloads, workloads or b.workloads
    if "steps" in a.yardsticks and "steps" in b.yardsticks:
        theirs = _independent(a, b, b.by_clock("steps", b_names, on_b))
        yield agreement.of_scores(a.by_clock("steps", a_names, on_a), theirs)
    if "metric" not in a.yardsticks:
        return
    of_a = [a.by_metric(share, a_names, on_a) for share in _shares(a.share)]
    if "metric" in b.yardsticks:
        for mine, share in zip(of_a, _shares(a.share), strict=True):
            if share <= b.share:
                theirs = _independent(a, b, b.by_metric(share, b_names, on_b))
                yield agreement.of_scores(mine, theirs)
    for mine in of_a:
        yield agreement.of_scores(mine, of_b)


def _shares(most: float) -> tuple[float, ...]:
    """The shares of the step hint to look at, up to the one that logs end at."""
    return (*(share for share in SHARES if share < most), most)


def _points(pairs: Sequence[tuple[str, str]], a: Measure, b: Measure) -> tuple[Point, ...]:
    found = [
        Point(
            a_name=a_name,
            b_name=b_name,
            a=float(a.score_S[i]),
            a_limits=_limits(a, i),
            b=float(b.score_S[i]),
            b_limits=_limits(b, i),
        )
        for i, (a_name, b_name) in enumerate(pairs)
    ]
    return tuple(sorted(found, key=lambda point: (-round(point.b, 12), point.a_name)))


def _limits(measure: Measure, row: int) -> Limits:
    if measure.score_NS is None or not measure.can_tell_S[row]:
        return None, None
    return limits(measure.score_NS[:, row], float(measure.score_S[row]))


def _side_json(side: Side, only: Sequence[str], workloads_only: Sequence[str]) -> dict:
    return {
        "given": side.label,
        "benchmark": side.benchmark and side.benchmark.name,
        "num_studies": side.num_studies,
        "unmatched": list(only),
        "workloads_left_out": list(workloads_only),
    }
