"""Who copies whom and what becomes of hyperparameters, by hand and over many generations."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algoperf_lite.population import config, evolution
from algoperf_lite.population.config import (
    EXPLOITS,
    PAPER_FACTORS,
    PopulationConfig,
    check_budget,
    check_space,
    ready_steps,
)
from algoperf_lite.population.evolution import Generation

NAN, INF = np.nan, np.inf
SPACE = {
    "learning_rate": {"min": 1e-4, "max": 1e-1, "scaling": "log"},
    "momentum": {"min": 0.0, "max": 0.99, "scaling": "linear"},
    "layers": {"feasible_points": [4, 1, 2, 8]},
    "period": {"min": 1, "max": 7, "scaling": "linear"},
}


def rules(size, **changes):
    return PopulationConfig(size=size, ready_interval=10, **changes)


def copied(scores, seed=0, **changes):
    """{member: parent} of those that copy another; scores are (K, M), or (M,) for K = 1."""
    scores = np.atleast_2d(scores)
    rng = np.random.default_rng(seed)
    parents = evolution.exploit(scores, rules(scores.shape[1], **changes), rng)
    return {member: parent for member, parent in enumerate(parents) if member != parent}


def every(scores, **changes):
    """What 200 seeds give: {member: set of its parents}."""
    found = {}
    for seed in range(200):
        for member, parent in copied(scores, seed, **changes).items():
            found.setdefault(member, set()).add(parent)
    return found


class TestTruncation:
    def test_the_bottom_copies_the_top(self):
        losses = [0.5, 0.1, 0.9, 0.3, 0.2, 0.8, 0.4, 0.6, 0.7, 1.0]  # a fifth of ten is two
        assert every(losses) == {2: {1, 4}, 9: {1, 4}}

    def test_parts_of_the_ranking(self):
        losses = [0, 1, 2, 3, 4, 5, 6, 7]
        assert every(losses, bottom=0.5, top=0.125) == {m: {0} for m in (4, 5, 6, 7)}
        assert every(losses, bottom=0.125, top=0.5) == {7: {0, 1, 2, 3}}

    @pytest.mark.parametrize(("size", "count"), [(2, 1), (3, 1), (5, 1), (6, 2), (8, 2), (35, 7)])
    def test_parts_are_rounded_up_and_never_overlap(self, size, count):
        found = every(np.arange(size))
        assert set(found) == set(range(size - count, size))
        assert set.union(*found.values()) == set(range(count))

    def test_of_equals_the_lower_number_counts_as_better(self):
        assert every([1.0, 1.0, 1.0]) == {2: {0}}

    def test_all_that_diverged_copy_the_finite_top(self):
        assert every([NAN, 0.3, INF, -INF, 0.2]) == {m: {4} for m in (0, 2, 3)}
        assert every([NAN, 0.3, NAN, NAN], top=0.5) == {m: {1} for m in (0, 2, 3)}


class TestTournament:
    def test_the_better_of_two_is_copied(self):
        assert copied([0.2, 0.1], exploit="tournament") == {0: 1}
        assert copied([0.1, 0.2], exploit="tournament") == {1: 0}
        assert copied([0.1, 0.1], exploit="tournament") == {}

    def test_any_better_one_can_be_met(self):
        found = every([0.3, 0.1, 0.4, 0.2], exploit="tournament")
        assert found == {0: {1, 3}, 2: {0, 1, 3}, 3: {1}}

    def test_who_meets_a_diverged_one_keeps_its_own(self):
        found = every([0.3, NAN, 0.1, NAN], exploit="tournament")
        assert found == {0: {2}, 1: {0, 2}, 3: {0, 2}}


class TestWelch:
    def test_a_clear_difference_is_copied_and_a_noisy_one_is_not(self):
        # Means 1 apart. Of four scores with standard deviation 0.1, t = 1 / (0.1 * sqrt(2/4)) =
        # 14; with a deviation of 1, t = 1.4 on 6 degrees of freedom: p = 0.2.
        around = np.array([-1, 1, -1, 1]) * np.sqrt(3 / 4)  # standard deviation 1
        clear = np.stack([2 + 0.1 * around, 1 + 0.1 * around], axis=1)
        noisy = np.stack([2 + around, 1 + around], axis=1)
        assert copied(clear, exploit="t_test") == {0: 1}
        assert copied(clear[:, ::-1], exploit="t_test") == {1: 0}
        assert copied(noisy, exploit="t_test") == {}

    def test_one_score_proves_nothing(self):
        assert every([3.0, 1.0, 2.0], exploit="t_test") == {}

    def test_scores_without_any_noise(self):
        assert copied([[2.0, 1.0], [2.0, 1.0]], exploit="t_test") == {0: 1}
        assert copied([[1.0, 1.0], [1.0, 1.0]], exploit="t_test") == {}

    def test_a_diverged_one_copies_whom_it_may(self):
        scores = [[1.0, 5.0, 2.0], [1.1, NAN, 2.1]]
        found = every(scores, exploit="t_test")
        assert found[1] == {0} and 1 not in set.union(*found.values())


@pytest.mark.parametrize("exploit", EXPLOITS)
def test_where_all_diverged_nobody_copies(exploit):
    assert every([[NAN, INF, NAN]] * 3, exploit=exploit) == {}


def explored(value, dimension, factor=2.0, resample=0.0, seed=0):
    """What becomes of one value that is copied."""
    settings = rules(2, factors=(factor,), resample_probability=resample)
    points = ({"x": value}, {"x": None})
    rng = np.random.default_rng(seed)
    kept, moved = evolution.explore(points, (0, 0), {"x": dimension}, settings, rng)
    assert kept == {"x": value}
    return moved["x"]


class TestExplore:
    wide = {"min": 1e-3, "max": 10.0, "scaling": "log"}

    def test_who_copies_nobody_keeps_its_point(self):
        points = ({"x": 1.0}, {"x": 2.0})
        rng = np.random.default_rng(0)
        assert evolution.explore(points, (0, 1), {"x": self.wide}, rules(2), rng) == points

    def test_a_copied_value_is_multiplied(self):
        assert explored(0.5, self.wide, 1.25) == 0.625
        assert explored(0.5, self.wide, 0.8) == 0.4

    def test_factors_are_drawn_for_each_value(self):
        space = {name: self.wide for name in "abcd"}
        settings = rules(2, factors=PAPER_FACTORS, resample_probability=0.0)
        rng = np.random.default_rng(0)
        points = [evolution.perturbed(dict.fromkeys("abcd", 1.0), space, settings, rng)]
        points += [evolution.perturbed(points[0], space, settings, rng) for _ in range(9)]
        assert {value for point in points[:1] for value in point.values()} == {0.8, 1.2}
        assert len({tuple(point.values()) for point in points}) > 5

    def test_bounds_clip(self):
        assert explored(8.0, self.wide) == 10.0
        assert explored(0.0015, self.wide, 0.5) == 1e-3
        assert explored(1e308, self.wide, 1e308) == 10.0
        assert explored(0.7, {"min": 0.7, "max": 0.7, "scaling": "linear"}) == 0.7

    def test_below_zero_and_at_zero(self):
        plane = {"min": -4.0, "max": 4.0, "scaling": "linear"}
        assert explored(-1.5, plane) == -3.0
        assert explored(-3.0, plane) == -4.0
        assert explored(0.0, plane) == 0.0

    def test_integers_move_by_one_at_least(self):
        counts = {"min": 1, "max": 100, "scaling": "linear"}
        cases = [(2, 1.25, 3), (2, 0.8, 1), (1, 0.8, 1), (10, 1.25, 12), (11, 0.8, 9), (99, 2, 100)]
        for value, factor, expected in cases:
            moved = explored(value, counts, factor)
            assert moved == expected and type(moved) is int
        both = {"min": -9, "max": 9, "scaling": "linear"}
        assert explored(-2, both, 1.25) == -3 and explored(-2, both, 0.8) == -1
        assert explored(0, both, 1.25) == 1 and explored(0, both, 0.8) == -1
        assert explored(2, both, 1.0) == 2

    def test_feasible_points_move_to_the_neighbour_in_value(self):
        points = {"feasible_points": [4, 1, 2, 8, 2]}
        assert [explored(v, points, 1.25) for v in (1, 2, 4, 8)] == [2, 4, 8, 8]
        assert [explored(v, points, 0.8) for v in (1, 2, 4, 8)] == [1, 1, 2, 4]
        assert explored(5, points, 1.0) == 4  # not of the list: as its nearest

    def test_resampling_respects_the_scaling(self):
        def drawn(value, dimension):
            return [explored(value, dimension, resample=1.0, seed=seed) for seed in range(400)]

        logs = np.log10(drawn(1.0, self.wide))
        assert np.histogram(logs, 4, (-3, 1))[0].min() > 70
        linear = drawn(1.0, {"min": 0.0, "max": 10.0, "scaling": "linear"})
        assert np.histogram(linear, 4, (0, 10))[0].min() > 70
        listed = drawn(4, {"feasible_points": [4, 1, 2]})
        assert {value: listed.count(value) > 100 for value in listed} == dict.fromkeys(
            (1, 2, 4), True
        )
        counts = drawn(4, {"min": 1, "max": 3, "scaling": "linear"})
        assert set(counts) == {1, 2, 3} and all(type(value) is int for value in counts)

    def test_a_part_is_resampled(self):
        dimension = {"min": 0.0, "max": 1.0, "scaling": "linear"}
        moved = [explored(0.25, dimension, resample=0.25, seed=seed) for seed in range(400)]
        assert 0.18 < np.mean([value != 0.5 for value in moved]) < 0.32


def start(size, space=SPACE, seed=0, **changes):
    own = rules(size, **changes)
    return own, [evolution.initial(space, own, seed)]


def test_generation_zero_is_a_quasi_random_study():
    own, (first,) = start(8)
    assert (first.number, first.step) == (0, 0)
    assert first.fitness == (None,) * 8 and first.parents == tuple(range(8))
    rates = np.log10([point["learning_rate"] for point in first.points])
    assert np.histogram(rates, 4, (-4, -1))[0].min() >= 1
    assert evolution.initial(SPACE, own, 0) == first != evolution.initial(SPACE, own, 1)


def test_a_generation_depends_on_lineage_fitness_and_seed_alone():
    own, lineage = start(4)
    losses = [0.1, 0.2, 0.3, 0.4]
    one = evolution.generation(lineage, 10, losses, SPACE, own, seed=5)
    assert one == evolution.generation(lineage, 10, np.array(losses), SPACE, own, seed=5)
    assert (one.number, one.step, one.fitness, one.parents) == (1, 10, tuple(losses), (0, 1, 2, 0))
    assert one.points[:3] == lineage[0].points[:3] and one.points[3] != lineage[0].points[3]
    others = [evolution.generation(lineage, 10, losses, SPACE, own, seed) for seed in range(9)]
    assert len({str(other.points) for other in others}) > 5

    later = [*lineage, one]
    for step in range(20, 100, 10):
        later.append(evolution.generation(later, step, losses, SPACE, own, seed=5))
    assert len({str(past.points[3]) for past in later}) > 5


def test_burn_in_measures_only():
    own, lineage = start(4, burn_in=20)
    early = evolution.generation(lineage, 10, [1, NAN, INF, 4], SPACE, own, 0)
    assert early.parents == (0, 1, 2, 3) and early.fitness == (1.0, None, None, 4.0)
    assert early == evolution.unchanged(lineage, 10, [1, NAN, INF, 4])
    late = evolution.generation([*lineage, early], 20, [1, NAN, INF, 4], SPACE, own, 0)
    assert late.parents == (0, 0, 0, 3)


def test_scores_follow_the_weights():
    def past(number, fitness, parents):
        return Generation(number, 10 * number, fitness, parents, ({},) * 3)

    lineage = [
        past(0, (None,) * 3, (0, 1, 2)),
        past(1, (1.0, 2.0, None), (0, 0, 1)),
        past(2, (1.1, 2.1, 3.1), (2, 1, 0)),
    ]
    found = evolution.scores(lineage, (5.0, 6.0, 7.0))
    # Member 0 went on from 2, which had gone on from 1; member 2 from 0; member 1 from 0 at first.
    assert found.tolist() == [[2.0, 1.0, 1.0], [3.1, 2.1, 1.1], [5.0, 6.0, 7.0]]
    long = lineage[:1] + [past(n, (float(n),) * 3, (0, 1, 2)) for n in range(1, 15)]
    assert evolution.scores(long, (15.0,) * 3)[:, 0].tolist() == list(range(6, 16))


@pytest.mark.slow
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32), exploit=st.sampled_from(EXPLOITS), part=st.floats(0.05, 0.5))
def test_a_thousand_generations_stay_in_the_space(seed, exploit, part):
    rng = np.random.default_rng(seed)
    own, lineage = start(8, seed=seed, exploit=exploit, bottom=part, top=part, factors=(0.3, 3.0))
    points = [{**point, "period": 1 + m % 7} for m, point in enumerate(lineage[0].points)]
    lineage[0] = dataclasses.replace(lineage[0], points=tuple(points))
    num_copies = 0
    for number in range(1, 1001):
        losses = rng.normal(size=8)
        losses[rng.random(8) < rng.choice([0.0, 0.2, 0.9])] = rng.choice([NAN, INF, -INF])
        lineage = [lineage[0], *lineage[-12:]] if number > 13 else lineage  # what scores look at
        last = dataclasses.replace(
            evolution.generation(lineage, 10 * number, losses, SPACE, own, seed), number=number
        )
        lineage.append(last)
        finite = np.isfinite(losses)
        for member, parent in enumerate(last.parents):
            assert finite[parent] or not finite.any()
            num_copies += member != parent
        for point in last.points:
            assert 1e-4 <= point["learning_rate"] <= 1e-1
            assert 0 <= point["momentum"] <= 0.99
            assert point["layers"] in (1, 2, 4, 8) and type(point["layers"]) is int
            assert 1 <= point["period"] <= 7 and type(point["period"]) is int
    assert num_copies > 500


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 1}, "population is 1; it needs at least 2 members"),
        ({"ready_interval": 0}, "ready_interval is 0"),
        ({"burn_in": -1}, "burn_in is -1"),
        ({"exploit": "trunction"}, "unknown exploit 'trunction'; did you mean 'truncation'"),
        ({"fitness": "loss"}, "unknown fitness 'loss'"),
        ({"bottom": 0.0}, "bottom is 0.0"),
        ({"top": 0.6}, "top is 0.6"),
        ({"top": NAN}, "top is nan"),
        ({"factors": ()}, "factors are"),
        ({"factors": (0.8, -1.2)}, "factors are"),
        ({"factors": (0.8, INF)}, "factors are"),
        ({"resample_probability": 1.1}, "resample_probability is 1.1"),
        ({"resample_probability": NAN}, "resample_probability is nan"),
    ],
)
def test_impossible_rules_are_named(changes, message):
    with pytest.raises(ValueError, match=message) as error:
        PopulationConfig(**{"size": 4, "ready_interval": 10, **changes})
    assert "\n" not in str(error.value)


def test_rules_survive_json():
    own = rules(4, factors=PAPER_FACTORS, exploit="t_test")
    content = {**dataclasses.asdict(own), "factors": list(own.factors)}
    assert PopulationConfig.from_json(content) == own


def test_the_budget_has_room_for_a_generation():
    check_budget(rules(4), 11)
    assert list(ready_steps(rules(4), 30)) == [10, 20]
    with pytest.raises(ValueError, match="ready_interval is 10 steps but training has 10"):
        check_budget(rules(4), 10)
    check_budget(rules(4, burn_in=30), 31)
    with pytest.raises(ValueError, match="burn_in is 31 steps but the last .* at step 30"):
        check_budget(rules(4, burn_in=31), 40)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (None, "submission 'mine' has no search_space; a population needs"),
        ([{"x": 1.0}], "submission 'mine' has a list of points"),
        ({}, "submission 'mine' cannot be a population: search_space is {}"),
        ({"x": {"min": 0.1}}, r"'mine' .* search_space\['x'\] has min 0.1 and max None"),
        ({"x": {"feasible_points": [1, "relu"]}}, r"\['x'\] has the feasible point 'relu'"),
        ({"x": {"feasible_points": [True, False]}}, r"\['x'\] has the feasible point True"),
        ({"batch_size": {"feasible_points": [8]}}, r"\['batch_size'\] changes shapes or"),
    ],
)
def test_spaces_that_cannot_evolve_are_refused(space, message):
    with pytest.raises(ValueError, match=message) as error:
        check_space(space, "mine", shaping=("batch_size", "width"))
    assert "\n" not in str(error.value)
    check_space(SPACE, "mine", shaping=("batch_size",))


def test_feasible_points_of_a_dimension_get_one_type():
    space = {"a": {"feasible_points": [0, 0.5]}, "b": {"feasible_points": [1, 2]}, **SPACE}
    found = config.uniform(space)
    assert [type(value) for value in found["a"]["feasible_points"]] == [float, float]
    assert {**space, "a": found["a"]} == found


def test_the_leader_goes_on_from_the_best_that_is_left():
    points = ({"x": 1.0},) * 4

    def leader(fitness, parents):
        return evolution.leader(Generation(1, 10, fitness, parents, points))

    assert leader((None,) * 4, (0, 1, 2, 3)) == 0  # nobody was measured
    assert leader((0.3, 0.2, None, 0.4), (0, 1, 1, 3)) == 1
    assert leader((0.3, 0.2, None, 0.4), (1, 1, 1, 1)) == 1
    # The best was itself replaced, as a t-test may decide; a copy of it is left, or not.
    assert leader((0.3, 0.2, None, 0.4), (0, 0, 1, 3)) == 2
    assert leader((0.3, 0.2, None, 0.4), (0, 0, 0, 3)) == 0


def test_the_ready_interval_is_a_part_of_the_step_hint_unless_it_is_given():
    assert PopulationConfig(4).for_horizon(100).ready_interval == 5
    assert PopulationConfig(4).for_horizon(7).ready_interval == 1
    assert PopulationConfig(4, 30).for_horizon(100) == PopulationConfig(4, 30)
