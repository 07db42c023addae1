"""The comparison of two boards in words and rows, which the terminal and the page only set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scoring.stats.agreement import Agreement, Estimate, Pairs
from scoring.stats.draws import Limits
from scoring.stats.fidelity import CarriedBy, Fidelity, Point
from scoring.stats.sides import Side
from scoring.views.text import Signs, counted, fixed, interval, printable

QUESTIONS = ("Does A predict B?", "Which workloads carry it?")
_MOST_NAMED = 4  # pairs or workloads in a sentence


@dataclass(frozen=True)
class AgreementRow:
    """One way to measure both boards."""

    a_by: str
    b_by: str
    tau: str
    studies: str  # limits of tau
    workloads: str
    rho: str
    pairs: str  # "10/10": agreeing of those that both sides can tell apart
    as_b: str  # "12/12": in B's order, of those that B can


@dataclass(frozen=True)
class WorkloadRow:
    """One workload: how well its own order agrees, and what it adds to tau."""

    name: str
    tau: str
    studies: str
    pairs: str
    gain: str
    gain_interval: str


@dataclass(frozen=True)
class PointRow:
    """One submission's scores on both boards."""

    name: str
    a: str
    a_interval: str
    b: str
    b_interval: str


def heading(found: Fidelity) -> list[str]:
    """What is compared, and what is left out, a sentence each."""
    lines = [_side("A", found.a), _side("B", found.b)]
    what = counted(len(found.points), "submission")
    over = f" on {counted(len(found.workloads), 'workload')}" if found.workloads else ""
    lines.append(f"Compared: {what} that both have{over}.")
    for letter, names in (("A", found.a_only), ("B", found.b_only)):
        if names:
            lines.append(f"In {letter} alone: {_names(names)}.")
    for letter, names in (("A", found.a_workloads_only), ("B", found.b_workloads_only)):
        if names:
            lines.append(f"Workloads of {letter} alone, left out: {_names(names)}.")
    return lines


def _side(letter: str, side: Side) -> str:
    benchmark = f"benchmark {printable(side.benchmark.name)}, " if side.benchmark else ""
    if side.num_studies:
        return f"{letter}: {printable(side.label)} ({benchmark}{_studies(side.num_studies)})"
    return f"{letter}: {printable(side.label)} ({benchmark}published without studies)"


def _studies(num: int) -> str:
    return "1 study" if num == 1 else f"{num} studies"


def points(found: Fidelity, signs: Signs) -> list[PointRow]:
    """Rows by B's score, the best first."""
    return [
        PointRow(
            point_name(p),
            fixed(p.a, 3, signs),
            interval(*p.a_limits, 3),
            fixed(p.b, 3, signs),
            interval(*p.b_limits, 3),
        )
        for p in found.points
    ]


def point_name(point: Point) -> str:
    """The name on both boards, "ours = theirs" where they differ."""
    if point.a_name == point.b_name:
        return printable(point.a_name)
    return f"{printable(point.a_name)} = {printable(point.b_name)}"


def agreements(found: Fidelity, signs: Signs) -> list[AgreementRow]:
    """Rows of all yardsticks, the scores first."""
    return [
        AgreementRow(
            one.a_by,
            one.b_by,
            fixed(one.tau.value, 2, signs),
            interval(*one.tau.studies, 2),
            interval(*one.tau.workloads, 2),
            fixed(one.rho.value, 2, signs),
            f"{one.pairs.agreeing}/{one.pairs.both}",
            f"{one.pairs.as_b}/{one.pairs.by_b}",
        )
        for one in (found.whole, *found.others)
    ]


def workloads(found: Fidelity, signs: Signs) -> list[WorkloadRow]:
    """Rows of A's workloads, the one that adds most first."""
    return [
        WorkloadRow(
            printable(one.workload),
            fixed(one.alone and one.alone.tau.value, 2, signs),
            interval(*one.alone.tau.studies, 2) if one.alone else signs.none,
            f"{one.alone.pairs.agreeing}/{one.alone.pairs.both}" if one.alone else signs.none,
            _signed(one.gain.value, signs),
            interval(*one.gain.studies, 2),
        )
        for one in found.carried_by
    ]


def _signed(value: float, signs: Signs) -> str:
    return signs.none if math.isnan(value) else f"{value:+.2f}"


def notes(found: Fidelity) -> list[str]:
    """Sentences on how to read the numbers."""
    lines = [
        "tau: Kendall's tau-b, 1 for the same order, 0 for none, -1 for the reverse; rho: "
        "Spearman's. Intervals are of 95%, from how studies differ or from resampled workloads."
    ]
    for letter, side in (("A", found.a), ("B", found.b)):
        if not side.num_studies:
            lines.append(f"{letter} has no studies, so pairs count as told whose numbers differ.")
        elif side.num_studies == 1:
            lines.append(f"{letter} has one study, which tells no pair apart; run at least two.")
    against = found.whole.pairs.disagreeing
    if against:
        said = [f"{printable(a)} above {printable(b)}" for a, b in against[:_MOST_NAMED]]
        rest = len(against) - len(said)
        more = f", and {rest} more" if rest else ""
        lines.append(f"Told apart by both and ordered otherwise by B: {', '.join(said)}{more}.")
    return lines


def answers(found: Fidelity) -> tuple[str, str]:
    """The answers to the two questions, in plain words."""
    return _predicts(found.whole), _carry(found.carried_by)


def _predicts(whole: Agreement) -> str:
    tau = whole.tau
    if math.isnan(tau.value):
        return "It cannot be told: on one of the boards all submissions are tied."
    known = [limits for limits in (tau.studies, tau.workloads) if limits[0] is not None]
    if not known:
        verdict = "Unsure"
    elif all(low > 0 for low, _ in known):
        verdict = "Yes, beyond chance"
    elif any(high < 0 for _, high in known):
        verdict = "No, its order is rather the reverse"
    else:
        verdict = "Not shown: chance may explain it"
    by = whole.a_by if whole.a_by == whole.b_by else f"{whole.a_by} against {whole.b_by}"
    return f"{verdict}. By {by}, tau is {tau.value:.2f}{spread(tau)}. {_pairs(whole.pairs)}"


def spread(estimate: Estimate) -> str:
    """E.g. " (95%: 0.21 to 0.86 over studies, 0.36 to 0.93 over workloads)"."""
    parts = [("studies", estimate.studies), ("workloads", estimate.workloads)]
    said = [f"{interval(*limits, 2)} over {what}" for what, limits in parts if _known(limits)]
    return f" (95%: {', '.join(said)})" if said else ", without an interval"


def _pairs(pairs: Pairs) -> str:
    of_b = f"Of {pairs.by_b} that B can tell apart, A's scores order {pairs.as_b} as B does."
    if not pairs.both:
        return f"No pair can be told apart by both. {of_b}"
    share = f"{pairs.agreeing} ({pairs.share:.0%})"
    return f"Of {counted(pairs.both, 'pair')} that both can tell apart, {share} agree. {of_b}"


def _carry(carried: Sequence[CarriedBy]) -> str:
    known = [one for one in carried if not math.isnan(one.gain.value)]
    if not known:
        return "It cannot be told: A has scores on fewer than two workloads, or all are tied."
    surely = [one for one in known if _known(one.gain.studies) and one.gain.studies[0] > 0]
    if surely:
        said = [f"{printable(one.workload)} ({one.gain.value:+.2f})" for one in surely]
        each = "it" if len(said) == 1 else "each of them"
        return f"Surely {', '.join(said[:_MOST_NAMED])}: tau is lower by that without {each}."
    first, last = known[0], known[-1]
    if first.gain.value <= 0:
        return "None: leaving any one out, tau is as high or higher."
    line = (
        f"None surely. Most of it rests on {printable(first.workload)}: without it, tau is lower "
        f"by {first.gain.value:.2f}{spread(first.gain)}."
    )
    if last.gain.value < 0:
        line += f" Without {printable(last.workload)} it is higher by {-last.gain.value:.2f}."
    return line


def _known(limits: Limits) -> bool:
    return limits[0] is not None


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names))
