"""The metric at parts of the step budget: by hand, and nothing extrapolated in silence."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.benchmark import Target
from scoring.logs.read import Trial
from scoring.stats import budgets

ACCURACY = Target("accuracy", 0.9, 100)
LOSS = Target("loss", 0.1, 100)
NAN = float("nan")


def trial(steps, metric, submission="s", study=0, number=1, status=None):
    steps = np.array(steps, float)
    return Trial(
        *(submission, study, "toy", "jax", number, f"{submission}/{study}/{number}"),
        steps=steps,
        seconds=steps,
        score=steps,
        metric=np.array(metric, float),
        info={"status": status} if status else {},
    )


def at(trials, target=ACCURACY):
    """{(submission, share in percent): cell}."""
    found = budgets.at_budgets(trials, {"toy": target})
    return {(cell.submission, round(100 * cell.share)): cell for cell in found}


def test_the_last_evaluation_at_or_before_the_budget():
    cells = at([trial([1, 25, 49, 51, 100], [0.1, 0.5, 0.4, 0.8, 0.7])])
    assert [cells["s", share].step for share in (25, 50, 100)] == [25, 50, 100]
    # The last, not the best: 0.4 after 0.5, 0.7 after 0.8; not what comes at step 51.
    assert [cells["s", share].metric for share in (25, 50, 100)] == [0.5, 0.4, 0.7]
    assert all(
        (c.at_least, c.stopped_early, c.ended_early) == (False, 0, 0) for c in cells.values()
    )


def test_best_trial_of_each_study_then_the_median_of_studies():
    trials = [
        trial([100], [metric], study=study, number=number)
        for study, metrics in enumerate([(0.2, 0.3), (0.8, 0.1), (0.5, NAN)])
        for number, metric in enumerate(metrics)
    ]
    cell = at(trials)["s", 100]
    assert (cell.metric, cell.worst, cell.best, cell.num_studies) == (0.5, 0.3, 0.8, 3)
    cell = at(trials, LOSS)["s", 100]
    assert (cell.metric, cell.worst, cell.best) == (0.2, 0.5, 0.1)
    assert at(trials[:4])["s", 100].metric == pytest.approx((0.3 + 0.8) / 2)


def test_a_run_of_its_own_stands_for_a_part_of_the_budget():
    trials = [
        trial([25, 50, 100], [0.1, 0.2, 0.9], "s"),
        trial([12, 25], [0.3, 0.4], "s@0.25"),
        trial([25, 50], [0.5, 0.6], "t@0.5"),
        trial([25], [0.0], "mail@home"),
    ]
    cells = at(trials)
    # "s" at half has no run of just that length, so the next longer one is read off.
    assert [cells["s", share].metric for share in (25, 50, 100)] == [0.4, 0.2, 0.9]
    assert [cells["t", share].metric for share in (25, 50, 100)] == [0.5, 0.6, 0.6]
    assert [cells["t", share].ended_early for share in (25, 50, 100)] == [0, 0, 1]
    assert cells["t", 25].rank == (1, 1)
    assert {name for name, _ in cells} == {"s", "t", "mail@home"}


def test_who_stopped_at_the_target_is_a_lower_bound():
    """x stopped at its target at step 30; y went on to the end and is better; z is worse."""
    cells = at(
        [
            trial([10, 30], [0.5, 0.91], "x"),
            trial([10, 30, 100], [0.6, 0.7, 0.95], "y"),
            trial([10, 30, 100], [0.4, 0.5, 0.6], "z"),
        ]
    )
    assert [cells[name, 25].rank for name in "xyz"] == [(2, 2), (1, 1), (3, 3)]
    x = cells["x", 100]
    assert (x.metric, x.at_least, x.stopped_early, x.ended_early) == (0.91, True, 1, 0)
    assert [cells[name, 100].rank for name in "xyz"] == [(1, 2), (1, 2), (3, 3)]
    assert not cells["x", 25].at_least and cells["x", 50].at_least


def test_a_trial_that_ended_without_its_target_is_no_lower_bound():
    cells = at([trial([10, 30], [0.5, 0.6])])
    assert (cells["s", 100].metric, cells["s", 100].at_least) == (0.6, False)
    assert (cells["s", 100].stopped_early, cells["s", 100].ended_early) == (0, 1)
    crashed = at([trial([10, 30], [0.5, 0.95], status="crashed")])["s", 100]
    assert (crashed.at_least, crashed.ended_early) == (False, 1)


def test_a_median_that_no_early_stop_can_move_is_exact():
    trials = [
        trial([30], [0.95], study=0),  # stopped, and the best already
        trial([30, 100], [0.5, 0.7], study=1),
        trial([30, 100], [0.5, 0.6], study=2),
    ]
    cell = at(trials)["s", 100]
    assert (cell.metric, cell.at_least, cell.stopped_early) == (0.7, False, 1)


def test_nothing_known_is_null_and_last():
    trials = [
        trial([60, 100], [0.1, 0.2], "late"),
        trial([10, 100], [NAN, NAN], "nan"),
        trial([], [], "empty"),
        trial([10, 100], [0.8, 0.8], "void", status="invalid"),
        trial([10, 100], [0.3, 0.4], "fine"),
    ]
    cells = at(trials)
    for name in ("late", "nan", "empty", "void"):
        assert np.isnan(cells[name, 50].metric) and cells[name, 50].rank == (2, 2)
    assert cells["fine", 50].rank == (1, 1) and cells["late", 100].rank == (2, 2)
    content = budgets.to_json(["fine", "nan"], [cells["nan", 50], cells["fine", 50]])
    assert list(content) == ["fine", "nan"]
    (row,) = json.loads(json.dumps(content, allow_nan=False))["nan"]["toy"]
    assert row["metric"] is None and row["rank"] == [2, 2] and row["share"] == 0.5


def test_rows_out_of_order_and_without_a_step():
    cells = at([trial([100, 20, NAN, 20], [0.7, 0.1, 0.99, 0.2])])
    assert (cells["s", 25].metric, cells["s", 100].metric) == (0.2, 0.7)


def test_budgets_are_rounded_like_the_harness_rounds_its_evaluations():
    """A quarter of 4,999 steps is evaluated at step 1,250."""
    target = Target("accuracy", 0.9, 4999)
    cells = at([trial([1250], [0.5])], target)
    assert (cells["s", 25].step, cells["s", 25].metric) == (1250, 0.5)


def test_an_even_number_of_studies_with_a_gap_and_an_open_end():
    cell = at([trial([30], [0.95], study=0), trial([60], [0.5], study=1)])["s", 50]
    assert np.isnan(cell.metric) and cell.at_least


METRIC = st.one_of(st.just(NAN), st.floats(0.0, 1.0))
RUNS = st.lists(
    st.tuples(
        st.sampled_from("xyz"),
        st.integers(0, 2),
        st.lists(st.tuples(st.integers(0, 120), METRIC), max_size=5),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(RUNS, st.booleans())
def test_values_are_logged_ones_and_ranks_hold_together(runs, lower):
    trials = [
        trial(sorted(step for step, _ in rows), [m for _, m in rows], name, study, number)
        for number, (name, study, rows) in enumerate(runs)
    ]
    cells = budgets.at_budgets(trials, {"toy": LOSS if lower else ACCURACY})
    names = {name for name, *_ in runs}
    assert len(cells) == 3 * len(names)
    for cell in cells:
        early = [
            value
            for t in trials
            if t.submission == cell.submission
            for step, value in zip(t.steps, t.metric, strict=True)
            if step <= cell.step and np.isfinite(value)
        ]
        for value in (cell.worst, cell.best):
            assert np.isnan(value) or value in early  # nothing from after the budget
        best, worst = cell.rank
        assert 1 <= best <= worst <= len(names)
    for share in budgets.SHARES:
        assert min(cell.rank[0] for cell in cells if cell.share == share) == 1
