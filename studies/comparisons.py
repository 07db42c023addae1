"""Comparisons of what training ends with, paired by seed, and how sure they are."""

import math
from collections.abc import Hashable, Mapping

import numpy as np
import scipy.stats

from studies.grid import Result

CONFIDENCE = 0.95


def p_value(one: Result, other: Result) -> float:
    """That the two are alike, by Student's paired test, two-sided; 1 where `difference` has no
    limits."""
    mean, low, high = difference(one, other)
    if not (math.isfinite(low) and math.isfinite(high)):
        return 1.0
    if low == high:  # every seed says the same
        return float(mean == 0)
    gaps_S = one.losses_S - other.losses_S
    return float(scipy.stats.ttest_1samp(gaps_S, 0.0).pvalue)


def holm(p_values: Mapping[Hashable, float]) -> dict[Hashable, float]:
    """The same p-values for all of these comparisons together (Holm 1979): in whatever number of
    them nothing differs, one below 5% is found by chance in one study of twenty."""
    ordered = sorted(p_values, key=p_values.__getitem__)
    found, least = {}, 0.0
    for place, key in enumerate(ordered):
        # Never below that of a comparison which was surer.
        least = max(least, min(1.0, (len(ordered) - place) * p_values[key]))
        found[key] = least
    return found


def difference(one: Result, other: Result) -> tuple[float, float, float]:
    """Mean paired difference of losses, (mean, low, high): below 0 where `one` is better.

    The limits are Student's over seeds; infinite where a seed diverged or there is only one.
    """
    # Two infinities have no difference: the gap is NaN then, and so is the mean of such alone.
    with np.errstate(invalid="ignore"):
        gaps_S = one.losses_S - other.losses_S
    if len(gaps_S) < 2 or not np.all(np.isfinite(gaps_S)):
        known_S = gaps_S[~np.isnan(gaps_S)]
        return float(known_S.mean()) if known_S.size else np.nan, -np.inf, np.inf
    mean, error = gaps_S.mean(), scipy.stats.sem(gaps_S)
    # Equal to the last bit, as one schedule under two names is: no interval to compute.
    if error == 0:
        return float(mean), float(mean), float(mean)
    low, high = scipy.stats.t.interval(CONFIDENCE, len(gaps_S) - 1, mean, error)
    return float(mean), float(low), float(high)
