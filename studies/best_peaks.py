"""The best peak of each schedule at each budget, and which schedules are told from the baseline."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import scipy.stats

from algoperf_lite.schedules import text as schedules_text
from studies import comparisons, edges, grid

BASELINE = "cosine"
ELSEWHERE = "uba, phi of the other workloads"  # in the place of a schedule's name


class Setting(NamedTuple):
    """What a cell is a peak of."""

    submission: str
    schedule: str  # or ELSEWHERE
    budget: float
    workload: str


class Chosen(NamedTuple):
    """The best peak of a setting.

    Attributes:
      is_at_edge: of all peaks that were tried.
      is_widened: the best lay at an edge, so there are more peaks than the grid has.
    """

    cell: grid.Cell
    result: grid.Result
    is_at_edge: bool
    is_widened: bool


Best = dict[Setting, Chosen]


def beyond(results: Mapping[grid.Cell, grid.Result]) -> list[grid.Cell]:
    """The cells by which the grid of each setting is widened whose best peak lies at an edge."""
    peaks = _peaks(results)
    return [
        dataclasses.replace(chosen.cell, peak=peak)
        for key, chosen in best(results).items()
        for peak in edges.beyond(peaks[key], [chosen.cell.peak])
    ]


def best(results: Mapping[grid.Cell, grid.Result], widened: Collection[grid.Cell] = ()) -> Best:
    """Of each setting the peak with the lowest median loss.

    Args:
      widened: those of the cells that `beyond` added.
    """
    found: dict[Setting, grid.Cell] = {}
    # The median does not mind one seed that diverged.
    losses = {cell: np.median(result.losses_S) for cell, result in results.items()}
    # By their peaks: where all diverge, the least is the best, and the grid is widened below it.
    for cell in sorted(results, key=lambda cell: cell.peak):
        key = setting(cell)
        if key not in found or losses[cell] < losses[found[key]]:
            found[key] = cell
    peaks, grown = _peaks(results), {setting(cell) for cell in widened}
    return {
        key: Chosen(cell, results[cell], edges.is_at_edge(peaks[key], cell.peak), key in grown)
        for key, cell in found.items()
    }


def setting(cell: grid.Cell) -> Setting:
    """What a cell is a peak of."""
    return Setting(cell.submission, cell.schedule, cell.budget, cell.workload)


def _peaks(cells: Collection[grid.Cell]) -> dict[Setting, list[float]]:
    found: dict[Setting, list[float]] = {}
    for cell in cells:
        found.setdefault(setting(cell), []).append(cell.peak)
    return found


def said_of_edges(found: Best) -> str:
    """A sentence about the grids that were widened, and what it came to."""
    grown = [chosen for chosen in found.values() if chosen.is_widened]
    left = sum(chosen.is_at_edge for chosen in grown)
    return (
        f"The best peak lay at an edge of the grid in {len(grown)} of {len(found)} settings, which "
        f"got {edges.NUM_NEW} more peaks beyond it ('widened'); in {left} of them it still does."
    )


def elsewhere(found: Best) -> Best:
    """The settings of each workload with UBA's phi that ranks best on the others, as `ELSEWHERE`.

    A rank is that of the median, among UBA's at a budget of a workload; its mean over budgets and
    other workloads counts. Empty where there are no others, or phi has one value.
    """
    ranks: dict[Setting, float] = {}
    for group in _grouped(found):
        with_phi = [key for key in group if schedules_text.parse(key.schedule).name == "uba"]
        losses = [np.median(found[key].result.losses_S) for key in with_phi]
        ranks |= zip(with_phi, scipy.stats.rankdata(losses), strict=True)
    added: Best = {}
    for submission, workload in dict.fromkeys((key.submission, key.workload) for key in ranks):
        others: dict[str, list[float]] = {}
        for key, rank in ranks.items():
            if key.submission == submission and key.workload != workload:
                others.setdefault(key.schedule, []).append(rank)
        if len(others) < 2:
            continue
        chosen = min(others, key=lambda schedule: np.mean(others[schedule]))
        for key in ranks:
            if (key.submission, key.schedule, key.workload) == (submission, chosen, workload):
                added[key._replace(schedule=ELSEWHERE)] = found[key]
    return added


def _grouped(found: Best) -> list[list[Setting]]:
    """The settings of schedules, by what they share: submission, budget and workload."""
    groups: dict[Setting, list[Setting]] = {}
    for key in found:
        if key.schedule != ELSEWHERE:
            groups.setdefault(key._replace(schedule=""), []).append(key)
    return list(groups.values())


def verdicts(found: Best) -> dict[Setting, str]:
    """ "better" or "worse" than the baseline, or "" where chance may have done it.

    Holm's correction is for all schedules that are compared with it at one budget of one workload;
    the row `ELSEWHERE` is one of them again.
    """
    said: dict[Setting, str] = {}
    for group in _grouped(found):
        baseline = group[0]._replace(schedule=BASELINE)
        if baseline not in found:
            continue
        results = {key: found[key].result for key in group if key != baseline}
        against = found[baseline].result
        surely = comparisons.holm(
            {key: comparisons.p_value(one, against) for key, one in results.items()}
        )
        for key, one in results.items():
            mean, _, _ = comparisons.difference(one, against)
            is_told = surely[key] < 1 - comparisons.CONFIDENCE
            said[key] = ("better" if mean < 0 else "worse") if is_told else ""
    again = [key for key in found if key.schedule == ELSEWHERE]
    return said | {key: said.get(setting(found[key].cell), "") for key in again}
