"""Plans and keys: pure, complete, and the order that lite always had."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.plan import Consecutive, Shuffled
from algoperf_lite.training.data_order import Batches

SIZES = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


@given(sizes=SIZES, seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 3))
def test_each_epoch_shows_each_example_at_most_once(sizes, seed, epoch):
    plan = Shuffled(*sizes, seed)
    per_epoch = sizes[0] // sizes[1]
    seen = np.concatenate([plan.picks(epoch * per_epoch + i) for i in range(per_epoch)])
    assert len(set(seen)) == len(seen) == per_epoch * sizes[1]
    assert set(seen) <= set(range(sizes[0]))


@given(sizes=SIZES, seed=st.integers(0, 99), steps=st.lists(st.integers(0, 30), min_size=1))
def test_a_plan_gives_the_order_that_resident_data_have(sizes, seed, steps):
    plan, resident = Shuffled(*sizes, seed), Batches(*sizes, seed)
    for t in steps:  # in any order, and again
        np.testing.assert_array_equal(plan.picks(t), resident.indices(t, 1)[0])


def test_an_order_cannot_be_changed_by_who_asks():
    with pytest.raises(ValueError, match="read-only"):
        Shuffled(10, 5, 0).picks(0)[0] = 3


@given(num_examples=st.integers(1, 50), batch_size=st.integers(1, 60))
def test_a_pass_counts_each_example_once(num_examples, batch_size):
    plan = Consecutive(num_examples, batch_size)
    picks = np.concatenate([plan.picks(t) for t in range(plan.num_batches)])
    weights = np.concatenate([plan.weights(t) for t in range(plan.num_batches)])
    np.testing.assert_array_equal(picks[weights == 1], np.arange(num_examples))
    assert set(picks[weights == 0]) <= {num_examples - 1}
    with pytest.raises(IndexError):
        plan.picks(plan.num_batches)


def test_a_batch_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="batch size 11 does not fit a training split of 10"):
        Shuffled(10, 11, 0)


def test_keys_name_a_row_whoever_asks_for_it():
    keys = RowKeys(seed=2**63, stream=Stream.TRAIN, step=7)
    drawn = [keys.generator(i).random(3) for i in range(6)]
    later = keys.from_row(4)
    np.testing.assert_array_equal(later.generator(1).random(3), drawn[5])
    others = [
        RowKeys(2**63, Stream.EVAL, 7).generator(0).random(3),
        RowKeys(2**63, Stream.TRAIN, 8).generator(0).random(3),
        RowKeys(1, Stream.TRAIN, 7).generator(0).random(3),
    ]
    assert len({tuple(numbers) for numbers in [*drawn, *others]}) == 9
