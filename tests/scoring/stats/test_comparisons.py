"""Pairs of submissions in numbers and words: who is better, how surely, and what would tell."""

import dataclasses
import json

import numpy as np
import pytest

import scoring
from scoring.stats import comparisons
from scoring.stats.comparisons import Comparison
from scoring.stats.speedups import Speedup
from scoring.views import words
from studies import intervals

BASE = ("a", "b", "c")
PAIR = Comparison(
    *("mine", "theirs", 0.25, 0.18, 0.31),
    speedup=Speedup(1.213, 1.08, 1.356, {}, {}),
    num_ahead=7,
    num_reached=9,
    num_studies=3,
    more_studies=None,
)


def board_of(trial_of, benchmark_of, table, **options):
    """A board of {submission: {workload: a time per study}}."""
    trials = [
        trial_of(name, study, workload, 1, time)
        for name, row in table.items()
        for workload, times in row.items()
        for study, time in enumerate(times)
    ]
    return scoring.score_trials(trials, benchmark_of(BASE), scoring.Protocol(**options))


def test_a_pair_in_numbers(trial_of, benchmark_of):
    table = {
        "slow": {"a": (10.0, 11.0), "b": (10.0, 10.5), "c": (3.0, 3.2)},
        "fast": {"a": (5.0, 5.5), "b": (5.0, 5.2), "c": (None, None)},
        "half": {"a": (40.0, 50.0), "b": (None, None)},
    }
    board = board_of(trial_of, benchmark_of, table)
    assert [(pair.first, pair.second) for pair in board.pairs] == [
        ("slow", "fast"),
        ("slow", "half"),
        ("fast", "half"),
    ]
    one = board.pairs[0]
    assert (one.num_ahead, one.num_reached, one.num_studies) == (1, 3, 2)
    assert one.speedup.mean == pytest.approx(np.sqrt((5.25 / 10.5) * (5.1 / 10.25)))
    assert one.difference == pytest.approx(board.rows[0].score - board.rows[1].score)
    assert one.low <= one.difference <= one.high
    far = board.pairs[2]
    assert far.is_decided and far.more_studies is None and far.num_reached == 2
    content = json.loads(json.dumps(board.to_json(), allow_nan=False))
    assert content["pairs"][0]["speedup"]["mean"] == one.speedup.mean
    assert content["against"] == []


def test_one_study_tells_nothing(trial_of, benchmark_of):
    table = {"x": {"a": (5.0,)}, "y": {"a": (9.0,)}}
    board = board_of(trial_of, benchmark_of, table, against="x")
    for pair in (*board.pairs, *board.against):
        assert (pair.low, pair.high, pair.more_studies, pair.is_decided) == (
            None,
            None,
            None,
            False,
        )
    assert words.neighbours(board) == []
    assert "x and y: one study cannot tell" in words.against(board)[1]


@pytest.mark.parametrize(
    ("difference", "half_width", "more"),
    [
        (0.1, 0.09, None),  # told already
        (0.1, 0.147, 11),  # of standard error 0.075: 3 x (2.8 x 0.75)^2 = 13.2 studies in all
        (0.1, 0.12, 6),
        (0.0, 0.1, None),  # nothing to be seen
    ],
)
def test_studies_that_would_tell(difference, half_width, more):
    found = comparisons._more_studies(
        difference, difference - half_width, difference + half_width, num_studies=3
    )
    assert found == more


def test_the_number_of_studies_that_would_tell_does(trial_of, benchmark_of):
    """A pair that three studies leave open is told by so many more in about four of five cases."""
    rng, log = np.random.default_rng(0), np.log([[1.0, 1.0, 1.0], [1.06, 1.06, 1.06]])

    def board(num_studies):
        times_SWI = np.exp(log[..., None] + 0.08 * rng.standard_normal((2, 3, num_studies)))
        table = {
            name: {w: times_SWI[s, i].tolist() for i, w in enumerate(BASE)}
            for s, name in enumerate(("x", "y"))
        }
        return board_of(trial_of, benchmark_of, table)

    # The power computation on the true difference, with the noise that three studies show.
    seen = [board(3) for _ in range(20)]
    widths = [pair.high - pair.low for one in seen for pair in one.pairs]
    true = 1 - (4 - 1.06) / 3
    more = comparisons._more_studies(true, true - max(widths), true + np.median(widths), 3)
    told = np.mean([board(3 + more).pairs[0].is_decided for _ in range(30)])
    assert told > 0.5


def test_against_one_all_intervals_hold_together(trial_of, benchmark_of):
    rng, errors, single = np.random.default_rng(1), 0, 0
    for _ in range(40):
        table = {
            f"s{s}": {w: np.exp(0.08 * rng.standard_normal(4)).tolist() for w in BASE}
            for s in range(7)
        }
        board = board_of(trial_of, benchmark_of, table, against="s0")
        errors += any(pair.is_decided for pair in board.against)
        single += any(pair.is_decided for pair in board.pairs if "s0" in (pair.first, pair.second))
    assert len(board.against) == 6
    assert errors <= 6  # 5% of 40 are 2
    assert errors <= single


def test_the_one_to_compare_with_must_be_there(trial_of, benchmark_of):
    with pytest.raises(ValueError, match="'adam' not found; did you mean 'adamw'"):
        board_of(trial_of, benchmark_of, {"adamw": {"a": (1.0,)}}, against="adam")
    alone = board_of(trial_of, benchmark_of, {"adamw": {"a": (1.0, 2.0)}}, against="adamw")
    assert words.against(alone) == ["There is nobody to compare adamw with."]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            "mine is faster than theirs: 1.21x (1.08 to 1.36) where both arrive, ahead on 7 of 9 "
            "workloads; score +0.25 (0.18 to 0.31); 3 studies",
        ),
        (
            {"speedup": Speedup(0.8, 0.7, 0.9, {}, {})},
            "mine reaches more than theirs: 0.80x (0.70 to 0.90) where both arrive, ahead on 7 of "
            "9 workloads; score +0.25 (0.18 to 0.31); 3 studies",
        ),
        (
            {"low": -0.05, "more_studies": 4},
            "mine against theirs is not decided: 1.21x (1.08 to 1.36) where both arrive, ahead on "
            "7 of 9 workloads; score +0.25 (-0.05 to 0.31); 3 studies; about 4 more would tell if "
            "the difference is what it looks like",
        ),
        (
            {"speedup": Speedup(None, None, None, {}, {}), "first": "a\x1b[31m"},
            "a?[31m is faster than theirs: ahead on 7 of 9 workloads; score +0.25 (0.18 to "
            "0.31); 3 studies",
        ),
    ],
)
def test_a_pair_in_words(changes, sentence):
    assert words.sentence(dataclasses.replace(PAIR, **changes)) == sentence


def test_many_submissions_are_compared_with_their_neighbours(trial_of, benchmark_of):
    rng = np.random.default_rng(0)
    names = intervals.SUBMISSIONS
    table = {
        n: {w: rng.uniform(1 + i, 2 + i, 3).tolist() for w in BASE} for i, n in enumerate(names)
    }
    board = board_of(trial_of, benchmark_of, table)
    assert len(board.pairs) == 15 and len(words.neighbours(board)) == 5
