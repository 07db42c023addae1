"""The rules of submissions that choose their examples, worked by hand on a tiny workload."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import workloads
from algoperf_lite import spec
from algoperf_lite.rules import tiny_workloads
from algoperf_lite.submission import native

TINY, _ = tiny_workloads.both("tiny", tiny_workloads.Names())
SIZE, EXAMPLES = TINY.batch_size, TINY.num_train_examples


def _rule(name, workload=TINY, **values):
    entry = native.load(name)
    point = {**entry.self_tuning_point, **values}
    return entry.data_selection(workload, spec.hyperparameters(point))


def _drawn(rule, state, num_batches):
    """Rows and weights of many batches, (num_batches, SIZE)."""
    keys = jax.random.split(jax.random.key(0), num_batches)
    return jax.vmap(lambda key: rule.select(state, key, 0))(keys)


def test_examples_are_drawn_by_their_latest_loss_and_weighted_by_its_inverse():
    rule = _rule("loss_sampled_adamw", uniform_share=0.25)
    state = rule.init(EXAMPLES)
    # Before anything is known, all are alike.
    _, weights = rule.select(state, jax.random.key(0), 0)
    np.testing.assert_allclose(weights, np.ones(SIZE), rtol=1e-5)
    # Row 5 was drawn twice, and row 9 is seen again with a smaller loss.
    state = rule.update(state, jnp.array([5, 9, 5, 2]), jnp.array([3.0, 9.0, 1.0, 2.0]), 0)
    state = rule.update(state, jnp.array([9]), jnp.array([1.0]), 1)
    losses = np.full(EXAMPLES, (3 + 1 + 2) / 3)  # the mean of those seen, for those that are not
    losses[[5, 9, 2]] = 3, 1, 2
    p = 0.25 / EXAMPLES + 0.75 * losses / losses.sum()
    rows, weights = _drawn(rule, state, 4000)
    np.testing.assert_allclose(weights, 1 / (EXAMPLES * p[rows]), rtol=1e-4)
    shares = np.bincount(np.ravel(rows), minlength=EXAMPLES) / rows.size
    # Five standard deviations of a share of so many draws.
    np.testing.assert_allclose(shares, p, atol=5 * np.sqrt(p.max() / rows.size))
    assert shares[5] > 1.9 * shares[9]
    # Unbiased: a weighted batch has, on average, the mean of any quantity over all examples.
    quantity = np.arange(EXAMPLES) ** 2.0
    assert np.mean(weights * quantity[rows]) == pytest.approx(quantity.mean(), rel=0.02)


def test_a_loss_of_zero_is_still_drawn():
    rule = _rule("loss_sampled_adamw", uniform_share=0.5)
    everything = jnp.arange(EXAMPLES)
    state = rule.update(rule.init(EXAMPLES), everything, jnp.zeros(EXAMPLES), 0)
    rows, weights = _drawn(rule, state, 100)
    assert len(np.unique(rows)) == EXAMPLES
    np.testing.assert_allclose(weights, 1.0, rtol=1e-4)


def test_a_mixture_moves_to_groups_with_losses_still_to_lower():
    rule = _rule("skill_curriculum_adamw", eta=0.5)
    groups, length = TINY.groups, TINY.step_hint // 20
    sizes = np.bincount(groups.of_example)
    first = [int(np.flatnonzero(groups.of_example == g)[0]) for g in range(groups.num_groups)]
    state = rule.init(EXAMPLES)
    shares = np.bincount(np.ravel(groups.of_example[_drawn(rule, state, 2000)[0]])) / 2000 / SIZE
    np.testing.assert_allclose(shares, sizes / sizes.sum(), atol=0.02)  # the data's own
    # Two rounds: the last group is not drawn in the second, and its loss stays known.
    rows, losses = jnp.array(first), jnp.array([1.0, 2.0, 0.5, 4.0])
    for step in range(2 * length):
        part = slice(0, 4 if step < length else 3)
        state = rule.update(state, rows[part], losses[part] * (1 + (step >= length)), step)
        if step == length - 2:
            np.testing.assert_array_equal(state.window, np.zeros((3, 4)))
    expected = np.array([[0, 0, 0, 0], [1, 2, 0.5, 4], [2, 4, 1, 4]])
    np.testing.assert_allclose(state.window, expected, rtol=1e-6)
    assert not state.totals.any()
    odds = sizes * np.exp(0.5 * expected.sum(axis=0))
    rows, weights = _drawn(rule, state, 2000)
    assert weights is None
    shares = np.bincount(np.ravel(groups.of_example[rows]), minlength=4) / rows.size
    np.testing.assert_allclose(shares, odds / odds.sum(), atol=0.02)
    # Within a group, all alike.
    counts = np.bincount(np.ravel(rows), minlength=EXAMPLES)[groups.of_example == 3]
    assert counts.min() > 0.8 * counts.mean()


def test_without_groups_a_curriculum_is_the_usual_order():
    assert _rule("skill_curriculum_adamw", workloads.load("criteo1tb")) is None


@pytest.mark.parametrize(
    ("name", "num_groups"),
    [
        ("digits", 10),
        ("imagenet_resnet", 16),
        ("finewebedu_lm", 78),
        ("librispeech_deepspeech", 3),
        ("ogbg", None),
        ("wmt", None),
        ("criteo1tb", 0),
        ("fastmri", 0),
    ],
)
def test_groups_of_workloads(name, num_groups):
    workload = workloads.load(name)
    groups = workload.groups
    if num_groups == 0:
        assert groups is None
        return
    assert groups.of_example.shape == (workload.num_train_examples,)
    sizes = np.bincount(groups.of_example)
    assert len(sizes) == groups.num_groups >= 3 and sizes.min() > 0
    assert num_groups in (None, groups.num_groups)


def test_groups_of_molecules_are_assays_that_they_are_positive_in():
    workload = workloads.load("ogbg")
    positive = workload.dataset("train")["targets"] == 1
    frequency = positive.sum(axis=0)
    for group in range(workload.groups.num_groups):
        own = positive[workload.groups.of_example == group]
        shared = np.flatnonzero(own.all(axis=0))
        if len(shared):  # all have an assay in common, and none has a rarer one
            rarest = min(shared, key=lambda assay: frequency[assay])
            assert not own[:, frequency < frequency[rarest]].any()
        else:
            assert not own.any()
