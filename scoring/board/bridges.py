"""Bridges between classes of hardware: how much longer a step takes on one than on another.

Seconds of unlike machines do not compare. But the same text takes the same steps everywhere, so a
submission that ran on both machines, even on a part of the workloads, says what a second of one is
worth on the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from scoring.board.groups import Group
from scoring.board.settings import Hardware
from scoring.logs.read import Trial
from scoring.stats import paces
from scoring.stats.draws import COVERAGE
from scoring.views.text import counted, interval, printable

Costs = Mapping[tuple[str, str], float]  # {(submission, workload): seconds of a step}
_LARGEST_LOG = 700.0  # its exponential is still a float


@dataclass(frozen=True)
class Bridge:
    """Two classes of hardware, under one version of a benchmark.

    Attributes:
      ratio: seconds of a step on `second` over those on `first`: geometric mean over workloads, and
        on each over submissions.
      low, high: its 95% interval, as of another draw of workloads: Student's t of the logarithms.
        None where one workload cannot tell.
      by_workload: the ratio on each.
      submissions: that ran on both.
    """

    benchmark: str
    first: Hardware
    second: Hardware
    ratio: float
    low: float | None
    high: float | None
    by_workload: Mapping[str, float]
    submissions: tuple[str, ...]

    def sentence(self) -> str:
        """E.g. "a step takes 1.84 times as long on b as on a (1.52 to 2.22): nadamw on 9 workloads,
        from 1.20 on wmt to 2.40 on digits"."""
        first, second = printable(self.first.name), printable(self.second.name)
        names = ", ".join(printable(name) for name in self.submissions)
        ordered = sorted(self.by_workload, key=self.by_workload.__getitem__)
        sure, ends = "", ""
        if self.low is not None:
            sure = f" ({interval(self.low, self.high, 2)})"
            least, most = ordered[0], ordered[-1]
            ends = (
                f", from {self.by_workload[least]:.2f} on {least} "
                f"to {self.by_workload[most]:.2f} on {most}"
            )
        return (
            f"{self.benchmark}: a step takes {self.ratio:.2f} times as long on {second} as on "
            f"{first}{sure}: {names} on {counted(len(ordered), 'workload')}{ends}"
        )

    def to_json(self) -> dict[str, object]:
        """Plain JSON values."""
        own = {name: getattr(self, name) for name in vars(self)}
        return {**own, "first": self.first.id, "second": self.second.id}


def costs(trials: Iterable[Trial]) -> Costs:
    """Seconds of a step by submission and workload: medians over trials."""
    found: dict[tuple[str, str], list[float]] = {}
    for trial in trials:
        if (seconds := paces.of_a_step(trial)) is not None:
            found.setdefault((trial.submission, trial.workload), []).append(seconds)
    return {cell: float(np.median(seconds)) for cell, seconds in found.items()}


def between(groups: Sequence[tuple[Group, Costs]]) -> tuple[Bridge, ...]:
    """A bridge between any two classes of a benchmark that one submission has run on, in the order
    of the groups."""
    classes: dict[tuple[str, str], Hardware] = {}
    merged: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for group, found in groups:
        key = group.benchmark, group.hardware.id
        classes.setdefault(key, group.hardware)
        # What a step takes is no matter of the ruleset; the first one has the word.
        merged[key] = {**found, **merged.get(key, {})}
    bridges = []
    for one, two in combinations(classes, 2):
        shared = sorted(merged[one].keys() & merged[two].keys()) if one[0] == two[0] else []
        if shared:
            logs = {
                cell: float(np.log(merged[two][cell]) - np.log(merged[one][cell]))
                for cell in shared
            }
            bridges.append(_bridge(one[0], classes[one], classes[two], logs))
    return tuple(bridges)


def _bridge(
    benchmark: str, first: Hardware, second: Hardware, logs: Mapping[tuple[str, str], float]
) -> Bridge:
    from scipy.special import stdtrit

    cells: dict[str, list[float]] = {}
    for (_, workload), log in logs.items():
        cells.setdefault(workload, []).append(log)
    mean_W = np.asarray([np.mean(cells[workload]) for workload in cells])
    mean, low, high = float(mean_W.mean()), None, None
    if len(mean_W) > 1:
        error = mean_W.std(ddof=1) / np.sqrt(len(mean_W))
        reach = float(stdtrit(len(mean_W) - 1, (1 + COVERAGE) / 2) * error)
        low, high = _exp(mean - reach), _exp(mean + reach)
    return Bridge(
        benchmark,
        first,
        second,
        ratio=_exp(mean),
        low=low,
        high=high,
        by_workload={w: _exp(log) for w, log in zip(cells, mean_W, strict=True)},
        submissions=tuple(sorted({submission for submission, _ in logs})),
    )


def _exp(log: float) -> float:
    return float(np.exp(np.clip(log, -_LARGEST_LOG, _LARGEST_LOG)))
