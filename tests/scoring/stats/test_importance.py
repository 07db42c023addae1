"""Importance of hyperparameters: no effect is found by chance, a strong one is, bad input none."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import qmc

import scoring
from scoring.stats import importance
from scoring.stats.points import Points, points

NUM_BOARDS = 150
# 5% of them, and three standard deviations of a count.
MOST_BY_CHANCE = 0.05 * NUM_BOARDS + 3 * (NUM_BOARDS * 0.05 * 0.95) ** 0.5
NAMES = ("a", "b", "c", "d")


def searched(rng, effect=None, num_workloads=2, noise=0.1, studies=3, trials=5):
    """The points of a search, as `tuning.point` draws them; workloads share part of the noise."""
    units = [qmc.Halton(len(NAMES), scramble=True, rng=rng).random(trials) for _ in range(studies)]
    value_PH = np.concatenate(units)
    noise_WP = rng.standard_normal((num_workloads, len(value_PH)))
    noise_WP += rng.standard_normal(len(value_PH))
    good_WP = noise * noise_WP + (0 if effect is None else effect(value_PH.T))
    group_P = np.repeat(np.arange(studies), trials)
    workloads = tuple(f"w{w}" for w in range(num_workloads))
    return Points(NAMES, value_PH.T, workloads, good_WP, group_P, (), (), 0)


def share_found(effect, *names, **options):
    """How many boards find an effect among these hyperparameters; and among the others."""
    rng, found, others = np.random.default_rng(0), 0, 0
    for seed in range(NUM_BOARDS):
        told = importance.of("s", searched(rng, effect, **options), seed)
        is_found = {e.hyperparameter for e in told.effects if e.is_found}
        found += bool(is_found & set(names))
        others += bool(is_found - set(names))
    return found / NUM_BOARDS, others


@pytest.mark.parametrize("num_workloads", [1, 4])
def test_without_an_effect_none_is_found(num_workloads):
    _, by_chance = share_found(None, num_workloads=num_workloads)
    assert by_chance <= MOST_BY_CHANCE


@pytest.mark.parametrize(
    ("effect", "name", "least"),
    [
        (lambda value_HP: value_HP[0], "a", 0.95),
        (lambda value_HP: -value_HP[1], "b", 0.95),  # whose base in Halton's sequence is 3
        (lambda value_HP: -3 * np.abs(value_HP[2] - 0.5), "c", 0.9),  # no trend at all
    ],
)
def test_a_strong_effect_is_found_and_lends_nothing_to_others(effect, name, least):
    found, others = share_found(effect, name)
    assert found >= least
    assert others <= MOST_BY_CHANCE


def test_on_workloads_one_by_one_chance_is_held_down_too():
    rng, errors = np.random.default_rng(3), 0
    for seed in range(NUM_BOARDS):
        told = importance.of("s", searched(rng, num_workloads=4), seed)
        errors += any(e.is_found for effects in told.by_workload.values() for e in effects)
    assert errors <= MOST_BY_CHANCE


def test_the_figures_are_spearmans():
    found = searched(np.random.default_rng(1), num_workloads=2)
    told = {e.hyperparameter: e for e in importance.of("s", found).effects}
    for h, name in enumerate(NAMES):
        value_P = found.value_HP[h]
        near_P = -np.abs(stats.rankdata(value_P) - 8)
        for seen, x_P in ((told[name].trend, value_P), (told[name].peak, near_P)):
            rho = np.mean([stats.spearmanr(x_P, good_P).statistic for good_P in found.good_WP])
            assert seen.rho == pytest.approx(rho)
            assert seen.low < seen.rho < seen.high


def test_the_visible_correlation_parts_what_is_found_from_what_is_not():
    rng = np.random.default_rng(2)
    for noise in np.linspace(0.05, 1.0, 20):
        told = importance.of("s", searched(rng, lambda v: v[0], num_workloads=1, noise=noise))
        # Of one workload, all correlations are of the same number of points.
        for effect in told.effects:
            for seen in (effect.trend, effect.peak):
                if abs(abs(seen.rho) - told.visible) > 0.03:
                    assert seen.is_found == (abs(seen.rho) > told.visible)
        assert (told.more_points is None) == told.effects[0].is_found or told.more_points > 0


def test_the_same_results_on_more_workloads_make_nothing_surer():
    one = searched(np.random.default_rng(4), num_workloads=1)
    names = tuple("uvwxyz")
    many = Points(NAMES, one.value_HP, names, np.tile(one.good_WP, (6, 1)), one.group_P, (), (), 0)
    alone, together = importance.of("s", one), importance.of("s", many)
    assert together.visible == pytest.approx(alone.visible, abs=0.02)
    assert [e.trend.rho for e in together.effects] == pytest.approx(
        [e.trend.rho for e in alone.effects]
    )


def test_more_workloads_whose_noise_is_their_own_do():
    rng = np.random.default_rng(5)
    base = searched(rng, num_workloads=1)
    good_WP = rng.standard_normal((8, base.size))
    own = Points(NAMES, base.value_HP, tuple("qrstuvwx"), good_WP, base.group_P, (), (), 0)
    assert importance.of("s", own).visible < 0.7 * importance.of("s", base).visible


def trials_of(trial_of, values, times=None, studies=3, submission="s", **info):
    """Trials of these values of one hyperparameter in each study, whose time is the value's."""
    return [
        trial_of(
            *(submission, study, "toy", i + 1, times[i] if times else 1.0 + i),
            info={"hyperparameters": {"lr": value, "kind": "x"}, **info},
        )
        for study in range(studies)
        for i, value in enumerate(values)
    ]


def told_of(benchmark_of, trials):
    return points(trials, benchmark_of().workloads)


def test_a_point_that_is_tried_again_is_no_new_one(trial_of, benchmark_of):
    """A list of five points is the same in each study: fifteen trials, and five points."""
    found = told_of(benchmark_of, trials_of(trial_of, (1e-4, 1e-3, 1e-2, 1e-1, 1.0)))
    assert found.size == 5 and len(set(found.group_P.tolist())) == 1
    assert found.fixed == ("kind",) and found.names == ("lr",)
    told = importance.of("s", found)
    assert told.effects[0].trend.rho == pytest.approx(-1.0)
    # Of the 120 orders of five, 2 look like this one, and as many have as clear a peak.
    again = trials_of(trial_of, (1e-4, 1e-3, 1e-2, 1e-1, 1.0), studies=30)
    assert importance.of("s", told_of(benchmark_of, again)).visible == told.visible


def test_tiny_values_are_told_apart(trial_of, benchmark_of):
    values = tuple(10.0**-i for i in range(9, 24))
    [effect] = importance.of(
        "s", told_of(benchmark_of, trials_of(trial_of, values, studies=1))
    ).effects
    assert effect.trend.rho == pytest.approx(1.0) and effect.trend.is_found


def test_who_arrives_is_better_than_who_comes_near(trial_of, benchmark_of):
    trials = trials_of(trial_of, (1.0, 2.0, 3.0, 4.0), (5.0, 9.0, None, 2.0), studies=1)
    near = trial_of("s", 0, "toy", 9, None, info={"hyperparameters": {"lr": 9.0, "kind": "x"}})
    near.metric[:] = 0.4  # of the target 0.5; the other missed it by more
    blind = trial_of("s", 0, "toy", 10, None, info={"hyperparameters": {"lr": 8.0, "kind": "x"}})
    blind.metric[:] = np.nan
    found = told_of(benchmark_of, [*trials, near, blind])
    order = found.value_HP[0][np.argsort(-found.good_WP[0])]
    assert order.tolist() == [4.0, 1.0, 2.0, 9.0, 3.0, 8.0]


def test_where_trials_were_raced_all_that_did_not_arrive_are_equals(trial_of, benchmark_of):
    point = {"kind": "x"}
    trials = [
        trial_of("s", 0, "toy", 1, 5.0, info={"hyperparameters": {**point, "lr": 1.0}}),
        trial_of("s", 0, "toy", 2, None, info={"hyperparameters": {**point, "lr": 2.0}}),
        trial_of(
            *("s", 0, "toy", 3, None),
            info={"hyperparameters": {**point, "lr": 3.0}, "status": "outrun"},
        ),
    ]
    trials[1].metric[:] = 0.4  # it came nearer, but the other was stopped on its way
    found = told_of(benchmark_of, trials)
    assert dict(zip(found.value_HP[0], found.good_WP[0], strict=True)) == {1: 1.0, 2: 0.25, 3: 0.25}


def test_trials_that_tell_nothing_are_left_out(trial_of, benchmark_of):
    point = {"hyperparameters": {"lr": 1.0}}
    trials = [
        trial_of("s", 0, "toy", 1, None, info={**point, "status": "crashed"}),
        trial_of("s", 0, "toy", 2, None, info={**point, "status": "out_of_memory"}),
        trial_of("s", 0, "toy", 3, 5.0, info={**point, "status": "invalid"}),
        trial_of("s", 0, "toy", 4, 5.0, info={**point, "pbt": {"members": 8}}),
        trial_of("s", 0, "toy", 5, 5.0),
        trial_of("s", 0, "toy", 6, 5.0, info={"hyperparameters": "broken"}),
        # It crossed the target, and then it crashed; its point led the other astray.
        trial_of("s", 0, "toy", 7, 5.0, info={**point, "status": "crashed"}),
        trial_of(
            "s", 0, "toy", 8, None, info={"hyperparameters": {"lr": 2.0}, "status": "diverged"}
        ),
    ]
    found = told_of(benchmark_of, trials)
    assert found.num_left_out == 6 and found.size == 2


def test_a_point_unknown_on_one_workload_changes_places_with_nobody(trial_of, benchmark_of):
    trials = [
        trial_of(
            *("s", study, workload, t, float(t)), info={"hyperparameters": {"lr": study + t / 10}}
        )
        for study in range(3)
        for workload in ("a", "b")
        for t in range(1, 6)
        if (study, workload, t) != (0, "b", 2)
    ]
    found = points(trials, benchmark_of("ab").workloads)
    assert found.size == 15 and sorted(np.bincount(found.group_P)) == [1, 4, 5, 5]
    assert np.isnan(found.good_WP).sum() == 1
    told = importance.of("s", found)
    assert told.effects[0].trend.low is not None


STRANGE = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    *(st.just(10**400), st.lists(st.integers(), max_size=2)),
    st.dictionaries(st.text(max_size=2), st.floats(), max_size=2),
)


@settings(max_examples=50)
@given(
    st.lists(st.dictionaries(st.sampled_from("xyz"), STRANGE, max_size=3), min_size=1, max_size=12)
)
def test_any_hyperparameters_give_numbers_or_none(trial_of, benchmark_of, all_points):
    trials = [
        trial_of("s", i % 2, "toy", i, 1.0 + i % 3 or None, info={"hyperparameters": point})
        for i, point in enumerate(all_points)
    ]
    board = scoring.score_trials(trials, benchmark_of())
    content = json.loads(json.dumps(board.to_json(with_importance=True), allow_nan=False))
    for effect in content["importance"]["s"]["effects"]:
        for seen in filter(None, (effect["trend"], effect["peak"])):
            assert -1 <= seen["rho"] <= 1
            assert seen["low"] is None or -1 <= seen["low"] <= seen["high"] <= 1


def test_the_self_ruleset_has_no_search(trial_of, benchmark_of):
    trials = trials_of(trial_of, (1.0, 2.0, 3.0, 4.0, 5.0))
    assert scoring.score_trials(trials, benchmark_of()).importance[0].points.size == 5
    board = scoring.score_trials(trials, benchmark_of(), scoring.Protocol(ruleset="self"))
    assert board.importance == ()


def test_hyperparameters_of_algoperfs_logs_and_of_trials_that_run(tree):
    for trial in range(1, 6):
        folder = tree.trial(f"s/study_0/toy_jax/trial_{trial}", times=(1.0, 2.0 + trial))
        (folder / "hparams.json").write_text(json.dumps({"lr": trial}))
    assert tree.score().importance[0].points.size == 5
    # In a tree of ours, a trial without a record has not ended.
    (tree.root / "experiment.json").write_text("{}")
    assert tree.score().importance[0].points.size == 0
