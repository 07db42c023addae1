"""What pairing is worth: noise in common shows in the ratio of variances, noise apart does not."""

import numpy as np
import pytest

from studies import pairing


def cells(correlation, num_studies=5, num_workloads=40, seed=0):
    random = np.random.default_rng(seed)
    found = {}
    for w in range(num_workloads):
        common = random.normal(size=num_studies)
        found[f"w{w}"] = {
            name: dict(
                enumerate(
                    correlation**0.5 * common
                    + (1 - correlation) ** 0.5 * random.normal(size=num_studies)
                )
            )
            for name in "abc"
        }
    return found


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_the_ratio_is_one_minus_the_correlation(correlation):
    paired, unpaired = np.array(list(pairing.variances(cells(correlation)))).T
    assert paired.sum() / unpaired.sum() == pytest.approx(1 - correlation, abs=0.1)


def test_an_interval_holds_one_where_nothing_is_shared():
    low, high = map(float, pairing.row(cells(0.0)).split("|")[-1].split(" to "))
    assert low < 1 < high
    low, high = map(float, pairing.row(cells(0.8)).split("|")[-1].split(" to "))
    assert high < 0.5


def test_studies_that_did_not_arrive_and_too_few_are_left_out():
    few = {"w": {"a": {0: 1.0, 1: 2.0, 2: np.inf}, "b": {0: 1.0, 1: 3.0, 2: 4.0, 3: 5.0}}}
    assert list(pairing.variances(few)) == []
    assert pairing.row(few) == "0 | |"
    same = {"w": {name: dict.fromkeys(range(4), 1.0) for name in "ab"}}
    assert list(pairing.variances(same)) == []
