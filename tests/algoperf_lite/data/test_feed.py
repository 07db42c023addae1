"""The feed: the same batch for any workers, processes, order of requests; errors, rest, memory."""

import dataclasses
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf_lite.data.feed import Feed, Order
from algoperf_lite.data.keys import Stream
from algoperf_lite.data.plan import Consecutive
from algoperf_lite.data.source import DataError, Source

NUM_EXAMPLES = 23


@dataclasses.dataclass(frozen=True)
class Noisy(Source):
    """Examples that are their own number, and a random number of their row beside it."""

    damaged: int | None = None
    seen: list = dataclasses.field(default_factory=list, compare=False)

    @property
    def num_examples(self):
        return NUM_EXAMPLES

    def fingerprint(self):
        return "noisy"

    def rows(self, picks, keys):
        self.seen.append(threading.current_thread().name)
        if self.damaged in picks:
            raise DataError(f"example {self.damaged} is damaged")
        noise = [keys.generator(i).random() for i in range(len(picks))]
        return {"inputs": picks.astype(np.float32), "noise": np.array(noise)}


def order(batch_size=5, rows=None, seed=9):
    return Order(Noisy().plan(seed, batch_size), seed, Stream.TRAIN, rows)


def plain(t, batch_size=5):
    with Feed(Noisy(), order(batch_size), num_workers=0) as feed:
        return feed.get(t)


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name in found:
        np.testing.assert_array_equal(found[name], expected[name])


@given(
    num_workers=st.integers(0, 4),
    depth=st.integers(1, 3),
    batch_size=st.integers(1, NUM_EXAMPLES),
    asked=st.lists(st.integers(0, 12), min_size=1, max_size=6),
)
def test_a_batch_is_the_same_for_any_workers_depth_and_order(num_workers, depth, batch_size, asked):
    with Feed(Noisy(), order(batch_size), num_workers, depth=depth) as feed:
        for t in asked:
            assert_equal(feed.get(t), plain(t, batch_size))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_batch_that_is_looked_at_is_there_still(num_workers):
    with Feed(Noisy(), order(), num_workers) as feed:
        feed.get(0)
        feed.rest()
        for t in (1, 1, 3):
            assert_equal(feed.peek(t), plain(t))
            assert feed.is_ready(t) == bool(num_workers)
        feed.rest()
        read = len(feed._source.seen)
        assert_equal(feed.get(3), plain(3))
        feed.rest()
        # Nothing is read twice: batch 3 has made room for one more, of two blocks.
        assert len(feed._source.seen) - read == (2 if num_workers else 1)
        with pytest.raises(IndexError, match="batch 9 of a pass"):
            Feed(Noisy(), Order(Consecutive(NUM_EXAMPLES, 10), 0, Stream.EVAL), 0).peek(9)


@given(cut=st.integers(0, 5))
def test_processes_make_the_rows_of_one_batch(cut):
    parts = []
    for rows in (slice(0, cut), slice(cut, None)):
        with Feed(Noisy(), order(rows=rows), num_workers=2) as feed:
            parts.append(feed.get(3))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    assert_equal(joined, plain(3))


def test_threads_write_their_rows_to_where_they_belong():
    filled = []

    @dataclasses.dataclass(frozen=True)
    class Filling(Noisy):
        def fill(self, out, picks, keys):
            filled.append((out["inputs"].base, len(picks)))
            super().fill(out, picks, keys)

    with Feed(Filling(), order(), num_workers=2, depth=1) as feed:
        for t in range(3):
            assert_equal(feed.get(t), plain(t))
    # Before the first rows nobody knows how large they are.
    assert len(filled) >= 2 * 2
    batches = {id(base): base for base, _ in filled}
    for base in batches.values():
        assert len(base) == 5
        assert sum(size for other, size in filled if other is base) in (2, 3, 5)


def test_a_pass_has_weights_and_ends():
    with Feed(Noisy(), Order(Consecutive(NUM_EXAMPLES, 10), 0, Stream.EVAL), 2) as feed:
        found = [feed.get(t) for t in range(3)]
        np.testing.assert_array_equal(found[2]["weights"], [1, 1, 1] + [0] * 7)
        assert sum(part["weights"].sum() for part in found) == NUM_EXAMPLES
        with pytest.raises(IndexError):
            feed.get(3)
        assert_equal(feed.get(0), found[0])  # and begins again


def test_what_cannot_be_read_is_raised_by_who_asks_for_it():
    source = Noisy(damaged=int(order().plan.picks(2)[0]))
    with Feed(source, order(), num_workers=2, depth=4) as feed:
        feed.get(0), feed.get(1)
        with pytest.raises(DataError, match="is damaged"):
            feed.get(2)
        assert_equal(feed.get(3), plain(3))


def test_threads_rest_once_all_ahead_is_made_and_none_is_left_behind():
    source = Noisy()
    with Feed(source, order(), num_workers=3, depth=2) as feed:
        feed.get(0)
        feed.rest()
        count = len(source.seen)
        time.sleep(0.02)
        assert len(source.seen) == count
    assert not [t for t in threading.enumerate() if t.name.startswith("feed-")]


def test_batches_ahead_are_as_many_as_memory_allows():
    begun = []

    def put(batch):
        begun.append(batch)
        return batch

    with Feed(Noisy(), order(), num_workers=1, put=put, depth=8, max_bytes=1) as feed:
        for t in range(20):
            feed.get(t)
            feed.rest()
        # The first eight were begun before the size of a batch was known.
        assert len(begun) <= 20 + 8


def test_waiting_is_told():
    @dataclasses.dataclass(frozen=True)
    class Slow(Noisy):
        def rows(self, picks, keys):
            time.sleep(0.01)
            return super().rows(picks, keys)

    with Feed(Slow(), order(), num_workers=0) as feed:
        feed.get(0)
        assert feed.seconds_waited >= 0.01
