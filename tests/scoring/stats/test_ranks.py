"""Who stands above whom: probabilities, places, and when nobody can tell."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scoring
from scoring.stats import ranks

NAMES = ("a", "b", "c", "d", "e")


def compare(score_NS, score_S=None, can_tell=None):
    score_NS = np.asarray(score_NS, float)
    size = score_NS.shape[1]
    point = score_NS.mean(axis=0) if score_S is None else np.asarray(score_S)
    tells = np.ones(size, bool) if can_tell is None else np.asarray(can_tell)
    return ranks.compare(NAMES[:size], point, score_NS, tells)


def test_by_hand():
    """b beats a in one of four draws, ties with it in one; c is always last."""
    found = compare([[0.9, 0.8, 0.1], [0.9, 0.8, 0.1], [0.8, 0.8, 0.1], [0.7, 0.8, 0.1]])
    np.testing.assert_equal(
        found.above_SS, [[np.nan, 0.5, 1.0], [0.25, np.nan, 1.0], [0.0, 0.0, np.nan]]
    )
    assert found.intervals == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}
    assert found.indistinguishable == (("a", "b"),)
    assert found.low_SS[0, 1] < 0 < found.high_SS[0, 1]
    assert found.low_SS[0, 2] == pytest.approx(-found.high_SS[2, 0])
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["rank_probability"]["b"] == {"a": 0.25, "c": 1.0}
    assert content["rank_interval"]["c"] == [3, 3]
    assert content["indistinguishable"] == [["a", "b"]]


def test_equal_scores_share_a_place_whatever_their_last_bits():
    found = compare([[0.5, 0.5 + 1e-15]] * 10)
    assert found.above_SS[0, 1] == found.above_SS[1, 0] == 0.0
    assert found.intervals == {"a": (1, 1), "b": (1, 1)}
    assert found.indistinguishable == (("a", "b"),)


def test_a_sure_difference_is_told():
    assert compare([[0.5, 0.4], [0.6, 0.3]]).indistinguishable == ()


def test_an_interval_holds_its_own_difference_and_place():
    """Also where all draws say 0.1 and the scores say otherwise."""
    found = compare([[0.5, 0.4]] * 9, score_S=[0.5, 0.5])
    assert (found.low_SS[0, 1], found.high_SS[0, 1]) == pytest.approx((0.0, 0.1))
    assert found.indistinguishable == (("a", "b"),)
    found = compare([[0.5, 0.4]] * 9, score_S=[0.5, 0.6])
    assert found.intervals == {"a": (1, 2), "b": (1, 2)}


def test_who_has_one_study_may_stand_anywhere():
    found = compare([[0.9, 0.5, 0.1]] * 5, can_tell=[True, False, True])
    assert np.isnan(found.above_SS[1]).all() and np.isnan(found.above_SS[:, 1]).all()
    assert found.above_SS[0, 2] == 1.0
    assert found.intervals == {"a": (1, 2), "b": None, "c": (2, 3)}
    assert found.to_json()["rank_probability"]["a"] == {"b": None, "c": 1.0}


def test_one_study_cannot_tell(trial_of, benchmark_of):
    trials = [trial_of(name, 0, "toy", 1, time) for name, time in (("s", 5.0), ("t", 9.0))]
    content = scoring.score_trials(trials, benchmark_of()).to_json()
    assert content["rank_probability"] == {"s": {"t": None}, "t": {"s": None}}
    assert content["rank_interval"] == {"s": None, "t": None}
    assert content["indistinguishable"] is None


def test_one_submission_has_no_pair(trial_of, benchmark_of):
    trials = [trial_of("s", study, "toy", 1, 5.0) for study in (0, 1)]
    content = scoring.score_trials(trials, benchmark_of()).to_json()
    assert content["rank_interval"] == {"s": [1, 1]} and content["indistinguishable"] == []


def test_the_board_compares_its_own_scores(trial_of, benchmark_of):
    times = {"a": (50.0, 60.0, 70.0), "z": (5.0, 5.9, 7.0), "k": (5.5, 6.0, 6.5)}
    trials = [
        trial_of(name, study, "toy", 1, time)
        for name, row in times.items()
        for study, time in enumerate(row)
    ]
    board = scoring.score_trials(trials, benchmark_of())
    assert board.ranks.submissions == tuple(entry.submission for entry in board.rows)
    assert board.ranks.submissions == ("z", "k", "a")
    assert board.ranks.intervals["a"] == (3, 3)
    assert board.ranks.indistinguishable == (("z", "k"),)
    probability = board.to_json()["rank_probability"]
    assert probability["z"]["a"] == 1.0 and probability["a"]["z"] == 0.0


SCORES = st.lists(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=5, max_size=5),
    min_size=1,
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(SCORES)
def test_probabilities_and_places_are_consistent(rows):
    found = compare(rows)
    above_SS = found.above_SS
    off = ~np.eye(5, dtype=bool)
    assert ((above_SS >= 0) & (above_SS <= 1))[off].all()
    assert (above_SS + above_SS.T <= 1 + 1e-12)[off].all()
    np.testing.assert_allclose(found.low_SS[off], -found.high_SS.T[off], atol=1e-9)
    assert (found.low_SS <= found.high_SS)[off].all()
    for i, name in enumerate(NAMES):
        best, worst = found.intervals[name]
        assert 1 <= best <= worst <= 5
        # A place below those that are always above, above those that are always below.
        assert best >= 1 + int((above_SS[:, i] == 1.0).sum())
        assert worst <= 5 - int((above_SS[i] == 1.0).sum())
