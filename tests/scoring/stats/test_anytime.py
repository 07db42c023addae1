"""Anytime curves: monotone, on one grid, and without a look ahead."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.benchmark import Target
from scoring.logs.read import Trial
from scoring.stats import anytime

ACCURACY = Target("accuracy", 0.9, 100)
LOSS = Target("loss", 0.1, 100)
NAN = float("nan")


def trial(seconds, metric, submission="s", study=0, number=1, status=None):
    seconds = np.array(seconds, float)
    return Trial(
        *(submission, study, "toy", "jax", number, f"{submission}/{study}/{number}"),
        steps=10 * seconds,
        seconds=seconds,
        score=seconds,
        metric=np.array(metric, float),
        info={"status": status} if status else {},
    )


def test_the_best_so_far_holds_between_evaluations():
    (curve,) = anytime.anytime(
        [trial([1, 2, 4], [0.3, 0.2, 0.5])], "toy", ACCURACY, x_G=[0, 1, 1.5, 2, 3.9, 4, 9]
    )
    np.testing.assert_equal(curve.median_G, [NAN, 0.3, 0.3, 0.3, 0.3, 0.5, 0.5])
    assert curve.running_G.tolist() == [1, 1, 1, 1, 1, 1, 0]
    assert (curve.unit, curve.num_studies) == ("seconds", 1)
    (curve,) = anytime.anytime([trial([1, 2, 4], [0.3, 0.2, 0.5])], "toy", LOSS, x_G=[1, 2, 4])
    assert curve.median_G.tolist() == [0.3, 0.2, 0.2]


def test_median_and_band_over_studies_of_their_best_trial_by_then():
    trials = [
        trial([1, 3], [0.1, 0.9], study=0, number=1),  # the best at the end, not at second 1
        trial([1, 3], [0.2, 0.3], study=0, number=2),
        trial([1, 3], [0.3, 0.4], study=1),
        trial([2, 3], [0.6, 0.7], study=2),
    ]
    (curve,) = anytime.anytime(trials, "toy", ACCURACY, x_G=[1, 2, 3])
    np.testing.assert_equal(curve.median_G, [0.2, 0.3, 0.7])
    np.testing.assert_equal(curve.worst_G, [NAN, 0.2, 0.4])
    np.testing.assert_equal(curve.best_G, [0.3, 0.6, 0.9])


def test_one_grid_for_all_from_zero_to_the_last_log():
    trials = [trial([1, 8], [0.1, 0.2], "a"), trial([2, NAN], [0.3, 0.9], "b")]
    found = anytime.anytime([*trials, trial([99], [0.5], "c")], "other", ACCURACY)
    assert found == ()
    a, b = anytime.anytime(trials, "toy", ACCURACY)
    assert (a.submission, b.submission) == ("a", "b")
    assert a.x_G is b.x_G and len(a.x_G) == 200 and (a.x_G[0], a.x_G[-1]) == (0.0, 8.0)
    assert b.median_G[-1] == 0.3  # at no known second is at none
    a, _ = anytime.anytime(trials, "toy", ACCURACY, by="steps")
    assert (a.unit, a.x_G[-1]) == ("steps", 80.0)


def test_invalid_and_infinite_and_unordered_rows():
    trials = [
        trial([1, 2], [0.9, 0.9], study=0, number=1, status="invalid"),
        trial([3, 1, 2], [0.5, 0.2, np.inf], study=0, number=2),
    ]
    (curve,) = anytime.anytime(trials, "toy", ACCURACY, x_G=[1, 2, 3])
    assert curve.median_G.tolist() == [0.2, 0.2, 0.5]


def test_json_and_wrong_units():
    (curve,) = anytime.anytime([trial([1], [0.5])], "toy", ACCURACY, x_G=[0, 1])
    content = json.loads(json.dumps(curve.to_json(), allow_nan=False))
    assert content["median"] == [None, 0.5] and content["running"] == [1, 1]
    with pytest.raises(ValueError, match="did you mean 'steps'"):
        anytime.anytime([], "toy", ACCURACY, by="step")


ROWS = st.lists(
    st.tuples(st.floats(0, 100), st.one_of(st.sampled_from([NAN, np.inf]), st.floats(0, 1))),
    max_size=6,
)
STUDIES = st.lists(st.lists(ROWS, min_size=1, max_size=3), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(STUDIES, st.booleans(), st.floats(0, 100))
def test_curves_only_improve_and_do_not_know_the_future(studies, lower, now):
    target = LOSS if lower else ACCURACY
    trials = [
        trial([x for x, _ in rows], [m for _, m in rows], study=study, number=number)
        for study, group in enumerate(studies)
        for number, rows in enumerate(group)
    ]
    x_G = np.sort(np.append(np.linspace(0, 100, 11), now))
    (curve,) = anytime.anytime(trials, "toy", target, x_G=x_G)
    sign = -1 if lower else 1
    for values in (curve.median_G, curve.worst_G, curve.best_G):
        known = ~np.isnan(values)
        assert (np.diff(known.astype(int)) >= 0).all()
        assert (np.diff(sign * values[known]) >= 0).all()
    both = ~np.isnan(curve.worst_G)
    assert (sign * curve.worst_G[both] <= sign * curve.median_G[both]).all()
    assert (sign * curve.median_G[both] <= sign * curve.best_G[both]).all()
    # Rows after `now` erased: the curve up to `now` stays.
    past = [
        trial(t.seconds[t.seconds <= now], t.metric[t.seconds <= now], "s", t.study, t.trial)
        for t in trials
    ]
    (before,) = anytime.anytime(past, "toy", target, x_G=x_G)
    seen = x_G <= now
    np.testing.assert_array_equal(before.median_G[seen], curve.median_G[seen])
