"""Search spaces, points and seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from algoperf_lite import tuning

SPACE = {
    "learning_rate": {"min": 1e-4, "max": 1e-1, "scaling": "log"},
    "beta": {"min": 0.5, "max": 0.99, "scaling": "linear"},
    "layers": {"feasible_points": [1, 2, 4]},
}


@given(seed=st.integers(0, 2**40), study=st.integers(0, 9), trial=st.integers(1, 20))
def test_points_stay_in_the_space(seed, study, trial):
    point = tuning.point(SPACE, 20, seed, study, trial)
    assert 1e-4 <= point["learning_rate"] <= 1e-1
    assert 0.5 <= point["beta"] <= 0.99
    assert point["layers"] in (1, 2, 4)


def test_points_are_reproducible_and_differ_between_trials_studies_and_seeds():
    def point(seed=0, study=0, trial=1):
        return tuple(tuning.point(SPACE, 5, seed, study, trial).items())

    assert point() == point()
    assert len({point(), point(trial=2), point(study=1), point(seed=1)}) == 4


def test_order_of_names_does_not_matter():
    backwards = dict(reversed(SPACE.items()))
    assert tuning.point(SPACE, 5, 0, 0, 3) == tuning.point(backwards, 5, 0, 0, 3)


@given(
    added=st.lists(st.sampled_from(["a", "phi", "warmup", "z"]), min_size=1, unique=True),
    seed=st.integers(0, 2**40),
    trial=st.integers(1, 5),
)
def test_a_schedules_dimensions_leave_a_submissions_own_values_as_they_were(added, seed, trial):
    more = {f"schedule_{name}": {"min": 1, "max": 2, "scaling": "log"} for name in added}
    space = {**SPACE, "warmup_factor": {"min": 0.0, "max": 1.0, "scaling": "linear"}}
    own = tuning.point(space, 5, seed, 1, trial)
    both = tuning.point(tuning.with_schedule(space, more, "mine"), 5, seed, 1, trial)
    assert {name: both.pop(name) for name in own} == own
    assert both.keys() == more.keys()


def test_a_schedule_adds_to_a_dict_without_its_names_and_to_nothing_else():
    more = {"schedule_phi": {"min": 1, "max": 2, "scaling": "log"}}
    assert tuning.with_schedule(None, {}, "mine") is None
    with pytest.raises(ValueError, match="submission 'mine' has no search_space, to which its"):
        tuning.with_schedule(None, more, "mine")
    with pytest.raises(ValueError, match="has a list of points as search_space, to which"):
        tuning.with_schedule([{"lr": 1.0}], more, "mine")
    with pytest.raises(ValueError, match="has a hyperparameter 'schedule_phi', which is also"):
        tuning.with_schedule({**SPACE, **more}, more, "mine")


@pytest.mark.parametrize("seed", range(5))
def test_the_sequence_is_that_of_scipy(seed):
    expected = qmc.Halton(13, scramble=True, rng=np.random.default_rng(seed)).random(60)
    for index in range(60):
        (child,) = np.random.SeedSequence(seed).spawn(1)  # as SciPy takes it
        found = tuning.scrambled_halton(13, index, np.random.default_rng(child))
        assert found == expected[index].tolist()


def test_points_are_what_they_were():
    was = {"beta": 0.5986215259398249, "layers": 2, "learning_rate": 0.024376434275677063}
    assert tuning.point(SPACE, 5, 7, 1, 3) == pytest.approx(was, rel=1e-14)


def test_points_cover_the_space_better_than_chance():
    names = [f"x{i}" for i in range(4)]
    space = {name: {"min": 0.0, "max": 1.0, "scaling": "linear"} for name in names}

    def ours(study):
        points = [tuning.point(space, 20, 0, study, trial) for trial in range(1, 21)]
        return qmc.discrepancy(np.array([[p[name] for name in names] for p in points]))

    rng = np.random.default_rng(0)
    uniform = np.mean([qmc.discrepancy(rng.random((20, 4))) for _ in range(20)])
    assert np.mean([ours(study) for study in range(10)]) < 0.6 * uniform


def test_a_list_of_points_is_taken_in_order():
    points = [{"lr": 0.1}, {"lr": 0.2}]
    assert [tuning.point(points, 2, 0, 0, trial)["lr"] for trial in (1, 2)] == [0.1, 0.2]
    with pytest.raises(ValueError, match="lists 2 points but the ruleset asks for 5"):
        tuning.point(points, 5, 0, 0, 1)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "search_space is {}"),
        ("lr", "search_space is 'lr'"),
        ([{"a": 1}, {"b": 1}], "same names"),
        ([{"a": 1}, 3], "same names"),
        ({"lr": 0.1}, r"search_space\['lr'\] is 0.1"),
        ({"lr": {"min": 0.0, "max": 1.0, "scaling": "log"}}, "must be above 0"),
        ({"lr": {"min": 2.0, "max": 1.0, "scaling": "log"}}, "swap"),
        ({"lr": {"min": 0.1, "max": 1.0}}, "scaling None"),
        ({"lr": {"min": "a", "max": 1.0, "scaling": "log"}}, "two finite numbers"),
        ({"lr": {"min": 0.1, "max": float("inf"), "scaling": "log"}}, "two finite numbers"),
        ({"lr": {"feasible_points": 3}}, "expected a list"),
        ({"lr": {"feasible_points": []}}, "expected a list"),
    ],
)
def test_malformed_spaces_are_named_in_one_sentence(space, message):
    with pytest.raises(ValueError, match=message) as caught:
        tuning.check_search_space(space)
    assert "\n" not in str(caught.value)


def test_zero_is_a_seed_like_any_other():
    seeds = {tuning.trial_seed(s, study, t) for s in (0, 1) for study in (0, 1) for t in (1, 2)}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**32 for seed in seeds)
