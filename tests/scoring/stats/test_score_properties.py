"""Properties that every leaderboard has, whatever the times."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scoring
from scoring.stats import times

WORKLOADS = ("a", "b", "c")
TIME = st.one_of(st.none(), st.floats(1.0, 1e4))
INDEX = st.integers(0, 2)
# [submission][workload][study][trial] -> (time or None, row at which the target is met)
BOARD = st.lists(
    st.lists(
        st.lists(st.lists(st.tuples(TIME, INDEX), min_size=1, max_size=2), min_size=1, max_size=3),
        min_size=3,
        max_size=3,
    ),
    min_size=1,
    max_size=4,
)
MODES = st.sampled_from(["exact", "official"])
few = settings(max_examples=25, deadline=None)


def trials_of(trial_of, board):
    return [
        trial_of(f"s{s}", study, WORKLOADS[w], trial, time, index)
        for s, row in enumerate(board)
        for w, cell in enumerate(row)
        for study, group in enumerate(cell)
        for trial, (time, index) in enumerate(group)
    ]


def score(trials, benchmark_of, mode="exact", held_out=()):
    benchmark = benchmark_of(WORKLOADS, held_out)
    board = scoring.score_trials(trials, benchmark, scoring.Protocol(mode=mode))
    return {entry.submission: entry for entry in board.rows}


@few
@given(BOARD, MODES)
def test_scores_lie_in_the_unit_interval(trial_of, benchmark_of, board, mode):
    for entry in score(trials_of(trial_of, board), benchmark_of, mode).values():
        assert 0.0 <= entry.score <= 1.0
        assert (np.diff(entry.rho) >= 0).all()
        if entry.low is not None:
            assert 0.0 <= entry.low <= entry.score <= entry.high <= 1.0
        solved = [time for time in entry.gated.values() if np.isfinite(time)]
        assert bool(solved) == (entry.rho[-1] > 0)


@few
@given(BOARD, MODES, st.randoms(use_true_random=False))
def test_order_of_trials_does_not_matter(trial_of, benchmark_of, board, mode, random):
    trials = trials_of(trial_of, board)
    shuffled = random.sample(trials, len(trials))
    protocol = scoring.Protocol(mode=mode, reference="s0")
    before, after = (
        scoring.score_trials(t, benchmark_of(WORKLOADS), protocol).to_json()
        for t in (trials, shuffled)
    )
    assert before == after  # every view: scores, speedups, chances, budgets


@few
@given(BOARD, MODES)
def test_names_and_study_numbers_do_not_matter(trial_of, benchmark_of, board, mode):
    before = score(trials_of(trial_of, board), benchmark_of, mode)
    # Submissions and studies reversed; trials keep their order, which breaks official ties.
    mirrored = [[cell[::-1] for cell in row] for row in board[::-1]]
    after = score(trials_of(trial_of, mirrored), benchmark_of, mode)
    for s in range(len(board)):
        assert before[f"s{s}"].score == after[f"s{len(board) - 1 - s}"].score


@few
@given(BOARD, st.floats(0.1, 1.0), st.data())
def test_a_faster_trial_never_lowers_the_exact_score(trial_of, benchmark_of, board, factor, data):
    trials = trials_of(trial_of, board)
    i = data.draw(st.integers(0, len(trials) - 1))
    t = trials[i]
    old = t.seconds[0] if t.metric.max() > 0.5 else 1e4
    faster = trial_of(t.submission, t.study, t.workload, t.trial, factor * old)
    before = score(trials, benchmark_of)
    after = score([*trials[:i], faster, *trials[i + 1 :]], benchmark_of)
    assert after[t.submission].score >= before[t.submission].score - 1e-12
    for name in set(before) - {t.submission}:
        assert after[name].score <= before[name].score + 1e-12


@few
@given(BOARD, MODES, st.floats(1e-3, 1e3))
def test_the_unit_of_a_workload_does_not_matter(trial_of, benchmark_of, board, mode, factor):
    # A power of two, because the official grid is sensitive to the last bit of a ratio.
    factor = 2.0 ** round(np.log2(factor))
    scaled = [
        [
            [[(t and t * (factor if w == 0 else 1.0), i) for t, i in group] for group in cell]
            for w, cell in enumerate(row)
        ]
        for row in board
    ]
    before = score(trials_of(trial_of, board), benchmark_of, mode)
    after = score(trials_of(trial_of, scaled), benchmark_of, mode)
    for name, entry in before.items():
        assert entry.score == pytest.approx(after[name].score, abs=1e-12)


@few
@given(BOARD, MODES)
def test_who_never_arrives_changes_nothing(trial_of, benchmark_of, board, mode):
    trials = trials_of(trial_of, board)
    late = [trial_of("zz", study, w, 0, None) for w in WORKLOADS for study in range(2)]
    protocol = scoring.Protocol(mode=mode, reference="s0")
    before, after = (
        scoring.score_trials(t, benchmark_of(WORKLOADS), protocol).to_json()
        for t in (trials, [*trials, *late])
    )
    assert after["scores"]["zz"]["score"] == 0.0
    for name in before["scores"]:
        for key in ("scores", "time_to_target", "ratio_to_best", "best"):
            assert after[key][name] == before[key][name]
        for key in ("speedup", "field_free"):
            assert after[key]["submissions"][name] == before[key]["submissions"][name]
        for rival, probability in before["rank_probability"][name].items():
            assert after["rank_probability"][name][rival] == probability


@few
@given(BOARD, MODES)
def test_chances_of_a_pair_sum_to_one_at_most(trial_of, benchmark_of, board, mode):
    content = scoring.score_trials(
        trials_of(trial_of, board), benchmark_of(WORKLOADS), scoring.Protocol(mode=mode)
    ).to_json()
    chances = content["rank_probability"]
    unsure = {frozenset(pair) for pair in content["indistinguishable"] or ()}
    for a, row in chances.items():
        for b, above in row.items():
            below = chances[b][a]
            assert (above is None) == (below is None)
            if above is None:
                assert content["num_studies"][a] < 2 or content["num_studies"][b] < 2
                continue
            assert 0.0 <= above <= 1.0 and above + below <= 1.0 + 1e-12
            if frozenset((a, b)) not in unsure:
                assert max(above, below) > 0.9


@few
@given(BOARD, st.data())
def test_a_metric_that_turns_nan_never_helps(trial_of, benchmark_of, board, data):
    trials = trials_of(trial_of, board)
    before = score(trials, benchmark_of)
    i = data.draw(st.integers(0, len(trials) - 1))
    trials[i].metric[data.draw(st.integers(0, 2))] = np.nan
    after = score(trials, benchmark_of)
    own = trials[i].submission
    assert after[own].score <= before[own].score + 1e-12
    trials[i].metric[:] = np.nan
    assert times.crossing(trials[i], benchmark_of().workloads["toy"]) is None


@pytest.mark.parametrize("mode", ["exact", "official"])
def test_what_the_disk_lists_first_does_not_matter(tree, benchmark_of, monkeypatch, mode):
    for submission in ("s", "t", "u"):
        for study in (0, 1, 10):
            for workload in ("a_jax", "b_jax", "b_pytorch"):
                for trial in (1, 2, 10):
                    time = 1.0 + (7 * study + 5 * trial + len(submission + workload)) % 13
                    tree.trial(
                        f"{submission}/study_{study}/{workload}/trial_{trial}",
                        times=(time, time + trial),
                    )
    (tree.root / "stray.txt").write_text("")
    (tree.root / "s/another.txt").write_text("")
    benchmark = benchmark_of(("a", "b"))
    expected = tree.score(benchmark, mode=mode, reference="s").to_json()
    listing = os.scandir

    class Reversed:
        def __init__(self, path):
            with listing(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(os, "scandir", Reversed)
    assert tree.score(benchmark, mode=mode, reference="s").to_json() == expected


@few
@given(BOARD, MODES)
def test_gates_only_take_away(trial_of, benchmark_of, board, mode):
    """With a held-out variant nobody scores above what the bases alone would give."""
    trials = trials_of(trial_of, board)
    variant = [trial_of(f"s{s}", 0, "a_big", 0, row[1][0][0][0]) for s, row in enumerate(board)]
    for entry in score([*trials, *variant], benchmark_of, mode, ("a_big",)).values():
        for workload, time in entry.gated.items():
            assert time == entry.time_to_target[workload] or time == np.inf
        assert 0.0 <= entry.score <= 1.0


def test_nan_is_never_reached(trial_of, benchmark_of):
    for metric in ("accuracy", "loss"):
        target = benchmark_of(metric=metric).workloads["toy"]
        values = np.array([np.nan, np.inf, -np.inf])
        assert not target.met(values).any()
        assert np.isnan(target.best(values))
