"""AlgoPerf's published logs against themselves, and the published scores against the logs."""

import pytest

from scoring.stats.fidelity import compare
from scoring.stats.sides import open_side

PUBLISHED = "studies/algoperf_v05_scores.csv"


@pytest.fixture(scope="module")
def folder(shared_logs):
    return shared_logs / "external_tuning"


@pytest.fixture(scope="module")
def halves(folder):
    """The first two studies against the last three."""
    return compare(open_side(f"{folder}@studies=0-1"), open_side(f"{folder}@studies=2-4"))


def test_the_official_board_repeats_itself(halves):
    assert len(halves.points) == 8 and len(halves.workloads) == 8
    assert halves.a.benchmark.name == "algoperf_v05"
    time, steps = halves.whole, halves.others[0]
    assert time.tau.value == pytest.approx(22 / 28) and steps.tau.value == pytest.approx(18 / 28)
    # Eight submissions and few studies leave wide intervals, but not down to chance.
    assert 0.3 < time.tau.studies[0] < 0.6 and 0.1 < time.tau.workloads[0] < 0.6


def test_pairs_that_both_halves_tell_apart_agree(halves):
    pairs = halves.whole.pairs
    assert pairs.total == 28 and pairs.both >= 12
    assert pairs.agreeing == pairs.both
    # Of 21 pairs that three studies tell apart, two studies have one the other way, and are not
    # sure of it.
    assert pairs.as_b >= pairs.by_b - 1


def test_published_scores_follow_from_the_logs(folder, repository):
    """Of eight submissions in the logs and eleven on the published board, all pairs agree but
    those that a smaller field moves."""
    found = compare(open_side(folder), open_side(repository / PUBLISHED, "algoperf_v05"))
    assert len(found.points) == 8 and len(found.b_only) == 3
    assert found.whole.tau.value == pytest.approx(1.0)
    assert found.whole.pairs.as_b == found.whole.pairs.by_b == 28


@pytest.fixture(scope="module")
def repository():
    from pathlib import Path

    return Path(__file__).resolve().parents[3]
