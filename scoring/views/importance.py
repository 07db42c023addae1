"""Importance of hyperparameters as rows and in words, which the terminal and the page only set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scoring.leaderboard import Leaderboard
from scoring.stats.importance import Correlation, Effect, Importance
from scoring.views.text import Cell, Signs, cell, counted, printable

_MANY_POINTS = 500  # more than these nobody runs
NOT_TOLD = "not told"


@dataclass(frozen=True)
class EffectRow:
    """One hyperparameter over all workloads."""

    name: str
    values: str  # the least and the greatest that were tried
    trend: Cell
    trend_interval: str
    peak: Cell
    peak_interval: str
    better: str  # e.g. "larger, middle", or NOT_TOLD


def rows(found: Importance, signs: Signs) -> list[EffectRow]:
    """The hyperparameters, the strongest first."""
    values = dict(zip(found.points.names, found.points.value_HP, strict=True))
    return [
        EffectRow(
            name=printable(effect.hyperparameter),
            values=_range(values[effect.hyperparameter].tolist()),
            trend=_rho(effect.trend, signs),
            trend_interval=_limits(effect.trend, signs),
            peak=_rho(effect.peak, signs),
            peak_interval=_limits(effect.peak, signs),
            better=", ".join(_better(effect)) or NOT_TOLD,
        )
        for effect in found.effects
    ]


def title(found: Importance) -> str:
    """E.g. "nadamw: 15 points on 3 workloads"."""
    points = found.points
    where = counted(len(points.workloads), "workload")
    return f"{printable(found.submission)}: {counted(points.size, 'point')} on {where}"


def nothing(board: Leaderboard) -> str | None:
    """The sentence where there is nobody to tell of; None where there is somebody."""
    if board.protocol.ruleset == "self":
        return (
            "Importance needs a search: under ruleset self, a submission has one point; "
            "run it with --tuning_ruleset=external."
        )
    if not any(found.points.size for found in board.importance):
        return "Importance needs hyperparameters: no trial that counts tells its own."
    return None


def sentences(found: Importance) -> list[str]:
    """What is told, and what is not and why; the strongest first."""
    told = [_told(effect) for effect in found.effects if effect.is_found]
    return [*told, *_not_told(found), *_alone(found), *_left_out(found)]


def says(effect: Effect) -> str:
    """E.g. "larger is better, middle is better"; empty where nothing is told from chance."""
    return ", ".join(f"{where} is better" for where in _better(effect))


def _better(effect: Effect) -> list[str]:
    """Where values are better, as far as that is told."""
    found = []
    if effect.trend.is_found:
        found.append("larger" if effect.trend.rho > 0 else "smaller")
    if effect.peak is not None and effect.peak.is_found:
        found.append("middle" if effect.peak.rho > 0 else "edge")
    return found


def _told(effect: Effect) -> str:
    both = (effect.trend, effect.peak)
    figures = [
        f"rho {one.rho:+.2f} ({one.low:+.2f} to {one.high:+.2f})"
        for one in both
        if one is not None and one.is_found
    ]
    return f"{printable(effect.hyperparameter)}: {says(effect)}; {'; '.join(figures)}."


def _not_told(found: Importance) -> list[str]:
    """What the points cannot tell, and how many could."""
    points = found.points
    if not points.size:
        return ["No trial that counts tells its hyperparameters."]
    cannot = f"{counted(points.size, 'point')} cannot tell"
    if not points.names:
        return [f"{cannot} what a hyperparameter does that has one value."]
    if not found.effects or found.visible is None:
        return [
            f"{cannot} which hyperparameter matters: by chance alone, any order of so few may be."
        ]
    untold = [effect for effect in found.effects if not effect.is_found]
    if not untold:
        return []
    what = "which hyperparameter matters" if len(untold) == len(found.effects) else "of the others"
    floor = f"a |rho| below about {found.visible:.2f} may be chance"
    first = untold[0]
    largest = f"the largest is {abs(first.strongest.rho):.2f} ({printable(first.hyperparameter)})"
    return [f"{cannot} {what}: {floor}, {largest}{_outlook(found.more_points)}."]


def _outlook(more: int | None) -> str:
    if more is None:
        return ""
    if more > _MANY_POINTS:
        return f"; more than {_MANY_POINTS} more would not tell it"
    return f"; about {more} more would tell it, if it is what it looks like"


def _alone(found: Importance) -> list[str]:
    """What is told of workloads one by one."""
    if len(found.by_workload) < 2:
        return []
    told = [
        f"{printable(effect.hyperparameter)} on {printable(name)} ({says(effect)})"
        for name, effects in found.by_workload.items()
        for effect in effects
        if effect.is_found
    ]
    return [f"Of one workload alone: {', '.join(told)}."] if told else []


def _left_out(found: Importance) -> list[str]:
    points, lines = found.points, []
    if points.unordered:
        names = ", ".join(map(printable, points.unordered))
        lines.append(f"Not judged, as not every point has a number there: {names}.")
    if points.num_left_out:
        num = counted(points.num_left_out, "trial")
        lines.append(f"Left out: {num} that broke, have no point, or are a population.")
    return lines


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g}"


def _rho(found: Correlation | None, signs: Signs) -> Cell:
    return Cell(signs.none) if found is None else cell(found.rho, f"{found.rho:+.2f}")


def _limits(found: Correlation | None, signs: Signs) -> str:
    if found is None:
        return signs.none
    return "?" if found.low is None else f"{found.low:+.2f} to {found.high:+.2f}"
