"""Decisions after every study: published boundaries, intervals by hand, verdicts that stay."""

import math

import numpy as np
import pytest
from scipy import stats

from scoring.stats import sequential
from scoring.stats.sequential import ALIKE, FASTER, OPEN, SLOWER


def cells_of(**times):
    """Cells of one workload: `cells_of(a=[1, 2], b=[3, 4])`."""
    return {(name, "w"): dict(enumerate(values)) for name, values in times.items()}


def decided(most_studies=15, **times):
    levels = sequential.levels_of(most_studies, len(times))
    return sequential.decisions(cells_of(**times), sorted(times), ["w"], levels)


def test_boundaries_are_the_published_ones():
    # Of five equal looks at 5%, half of it on either side: Reboussin et al. 2000, as in `ldbounds`.
    def each_side(share, error):
        return 2 * sequential.spent(share, error / 2)

    found = sequential.boundaries(range(1, 6), 5, 0.05, each_side)
    assert found == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=2e-3)


def test_all_looks_together_spend_the_error_and_one_look_all_of_it():
    assert sequential.boundaries([7], 7, 0.05) == pytest.approx([1.95996], abs=1e-4)
    levels = list(sequential.levels_of(15, 2).values())
    assert levels == sorted(levels) and 0 < levels[0] < 1e-6 and 0.03 < levels[-1] < 0.05
    rng = np.random.default_rng(0)
    walk_NK = np.cumsum(rng.standard_normal((40_000, 15)), axis=1) / np.sqrt(np.arange(1, 16))
    edges_K = np.array(sequential.boundaries(range(2, 16), 15, 0.05))
    wrong = (np.abs(walk_NK[:, 1:]) > edges_K).any(axis=1).mean()
    assert wrong == pytest.approx(0.05, abs=0.004)
    at_look_8 = (np.abs(walk_NK[:, 1:8]) > edges_K[:7]).any(axis=1).mean()
    assert at_look_8 == pytest.approx(sequential.spent(8 / 15, 0.05), abs=0.002)


def test_pairs_share_the_error():
    two, three = sequential.levels_of(10, 2), sequential.levels_of(10, 3)
    assert all(three[look] < two[look] for look in two)
    assert three == sequential.levels_of(10, 2, sequential.ERROR / 3)
    with pytest.raises(ValueError, match="max_studies is 1; expected a whole number >= 2"):
        sequential.levels_of(1, 2)


def test_the_interval_of_one_workload_is_students():
    ratio_WI = np.array([[0.1, 0.3, 0.2, 0.6]])
    middle, low, high = sequential.interval(ratio_WI, 0.05)
    expected = stats.ttest_1samp(ratio_WI[0], 0.0).confidence_interval(0.95)
    assert (middle, low, high) == pytest.approx((0.3, expected.low, expected.high))


def test_workloads_that_are_as_noisy_share_their_degrees_of_freedom():
    rows = np.array([[0.1, 0.3, 0.2], [0.5, 0.7, 0.6], [-0.1, 0.1, 0.0]])
    middle, low, high = sequential.interval(rows, 0.01)
    reach = stats.t.ppf(0.995, 3 * 2) * 0.1 / math.sqrt(3 * 3)
    assert (middle, low, high) == pytest.approx((rows.mean(), rows.mean() - reach, middle + reach))


def test_studies_that_agree_by_chance_are_no_proof():
    [found] = decided(a=[1.0, 1.0], b=[1.01, 1.01])
    assert found.verdict == OPEN and found.low < 1 < found.high
    [nothing] = decided(a=[math.inf] * 15, b=[math.inf] * 15)
    assert nothing.verdict == OPEN and (nothing.low, nothing.high) == pytest.approx((0.25, 4.0))


def test_verdicts_and_their_direction():
    rng = np.random.default_rng(1)
    base = np.exp(0.03 * rng.standard_normal((3, 15)))
    fast, like, slow = base * [[1.0], [1.0], [2.0]]
    found = {(one.first, one.second): one for one in decided(a=fast, b=like, c=slow)}
    assert found["a", "c"].verdict == FASTER and found["a", "c"].num_studies < 6
    assert found["a", "c"].low < found["a", "c"].ratio < found["a", "c"].high
    assert found["a", "c"].ratio == pytest.approx(2.0, rel=0.1)
    assert found["a", "b"].verdict == ALIKE and found["a", "b"].low > 1 / 1.05
    [turned] = decided(a=slow, b=fast)
    assert turned.verdict == SLOWER and turned.ratio == pytest.approx(0.5, rel=0.1)


def test_who_never_reaches_the_target_counts_as_four_times_slower():
    [found] = decided(a=[1.0, 1.1, 0.9, 1.0], b=[math.inf] * 4)
    assert found.verdict == FASTER and found.ratio == pytest.approx(4.0)
    [far] = decided(a=[1.0, 1.1, 0.9, 1.0], b=[40.0, 50.0, 60.0, 45.0])
    assert far.ratio == pytest.approx(4.0)


def test_a_decision_stays_as_studies_come_in():
    rng = np.random.default_rng(2)
    times = {
        name: at * np.exp(0.1 * rng.standard_normal(15)) for name, at in (("a", 1), ("b", 1.6))
    }
    found = [decided(**{name: list(own[:n]) for name, own in times.items()})[0] for n in range(16)]
    first = next(i for i, one in enumerate(found) if not one.is_open)
    assert 2 < first < 15
    assert all(one == found[first] for one in found[first:])
    assert [one.num_studies for one in found[:first]] == [0, 0, *range(2, first)]


def test_a_study_that_is_missing_ends_the_looks():
    cells = cells_of(a=[1.0] * 5, b=[2.0] * 5)
    del cells["b", "w"][3]
    [found] = sequential.decisions(cells, "ab", ["w"], sequential.levels_of(15, 2))
    assert found.num_studies <= 3
