"""What a report leaves out of a curve, and what it must not."""

import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_pages import write_page

import scoring
from scoring.benchmark import Target
from scoring.logs.read import Trial
from scoring.views import series
from scoring.views.series import rounded, thin


def noise(seed, size, levels, gaps):
    """Values on a few levels, so that ties are common, and some that are no number."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-levels, levels + 1, size) * (10.0 / levels)
    return np.where(rng.random(size) < gaps, rng.choice([np.nan, np.inf, -np.inf], size), values)


# Hypothesis draws short lists by itself, which are never thinned.
VALUES = st.builds(
    noise, st.integers(0), st.integers(1, 400), st.integers(1, 1000), st.sampled_from([0, 0.1, 0.9])
)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.integers(12, 80), st.lists(st.integers(0, 399), max_size=3))
def test_what_is_kept(values, most, keep):
    keep = {k for k in keep if k < len(values)}
    rows = thin(values, most, keep)
    assert len(rows) <= most or len(values) <= most
    assert (np.diff(rows) > 0).all() and set(rows) <= set(range(len(values)))
    assert {0, len(values) - 1, *keep} <= set(rows)
    finite = values[np.isfinite(values)]
    if finite.size:
        shown = values[rows][np.isfinite(values[rows])]
        assert (shown.min(), shown.max()) == (finite.min(), finite.max())
    if len(values) <= most:
        assert len(rows) == len(values)


@settings(max_examples=200, deadline=None)
@given(VALUES, st.booleans(), st.floats(-9, 9), st.integers(8, 60))
def test_the_target_is_crossed_where_it_was(values, lower, goal, most):
    target = Target("loss" if lower else "accuracy", goal, 100)
    clock = np.cumsum(np.ones(len(values)))
    trial = Trial("s", 0, "w", "jax", 0, "p", 10 * clock, clock, clock, values, {})
    curve = series.learning_curve(trial, target, most)
    met = target.met(values)
    if not met.any():
        assert curve.crossing is None
        return
    row = int(met.argmax())
    assert curve.seconds[curve.crossing] == clock[row]
    assert not target.met(curve.values[: curve.crossing]).any()
    if row:  # so that the straight line into the crossing is the same, too
        assert curve.seconds[curve.crossing - 1] == clock[row - 1]


def test_a_spike_survives():
    values = np.zeros(5000)
    values[3137] = 9.0
    assert 3137 in thin(values, 100)


def test_too_few_rows_for_what_must_stay():
    with pytest.raises(ValueError, match="allow more rows"):
        thin(np.zeros(50), 5, keep=range(10))


def test_numbers_are_rounded_to_six_digits():
    assert [rounded(v) for v in (1 / 3, 2e5 / 3, 7.0, float("nan"), -1e-9 / 3)] == [
        *(0.333333, 66666.7, 7, None),
        -3.33333e-10,
    ]
    assert isinstance(rounded(7.0), int)


def make(study, trial, metrics, info=None, workload="w"):
    clock = np.arange(1.0, len(metrics) + 1) * (1 + trial)
    metric = np.array(metrics, np.float64)
    return Trial("s", study, workload, "jax", trial, "p", clock, clock, clock, metric, info or {})


@pytest.mark.parametrize(("mode", "chosen"), [("exact", 1), ("official", 2)])
def test_the_trial_that_counts_is_drawn(benchmark_of, mode, chosen):
    """Trial 1 is first in seconds, trial 2 by evaluation index."""
    trials = [make(0, 1, [0.1, 0.1, 0.9]), make(0, 2, [0.1, 0.1, 0.9]), make(0, 0, [0.1] * 9)]
    trials[1] = make(0, 2, [0.1, 0.9])
    benchmark, protocol = benchmark_of(("w",)), scoring.Protocol(mode=mode)
    times = {1: 3 * 2, 2: 2 * 3}
    assert times[1] == times[2]  # a tie in time goes to the lower number
    assert [t.trial for t in series.counted(trials, benchmark, protocol)] == [chosen]


def test_where_nobody_reaches_the_best_is_drawn(benchmark_of):
    trials = [
        make(0, 0, [0.2, 0.3]),
        make(0, 1, [0.1, 0.4]),
        make(0, 2, [0.1, 0.45], {"status": "invalid"}),
        make(0, 3, [float("nan")]),
    ]
    found = series.counted(trials, benchmark_of(("w",)), scoring.Protocol())
    assert [trial.trial for trial in found] == [1]


def test_learning_rates_come_from_either_file(tmp_path):
    trial = make(0, 0, [0.1, 0.2, 0.3])
    assert series.learning_rate(tmp_path, trial) is None
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "eval_measurements.csv").write_text("global_step,learning_rate\n1,0.5\n3,0.25\n")
    found = series.learning_rate(tmp_path, trial)
    assert found.values.tolist() == [0.5, 0.25]
    assert found.seconds.tolist() == [1.0, 3.0]  # from the evaluations at these steps
    (folder / "measurements.csv").write_text(
        "loss,learning_rate,global_step\n1,,1\n1,0.125,2\n1,nan,3\n2,0.0625,4\n"
    )
    assert series.learning_rate(tmp_path, trial).values.tolist() == [0.125, 0.0625]


def test_the_official_logs_make_a_small_page_soon(shared_logs, tmp_path):
    began = time.process_time()  # a busy machine has other processes' seconds
    logs, output = shared_logs / "external_tuning", tmp_path / "report.html"
    page = write_page(logs, output, benchmark="algoperf_v05")
    assert page.stat().st_size < 6e6
    assert time.process_time() - began < 20
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert list(tmp_path.iterdir()) == [page]
