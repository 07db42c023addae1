"""The feed: batches of a source, read ahead by threads. The only file here that knows threads.

Work is divided by the rows of a batch, not by batches: the next batch is then ready as early as it
can be, and memory does not grow with the number of workers.
"""

import collections
import dataclasses
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.plan import Plan
from algoperf_lite.data.source import Source

HostBatch = dict[str, np.ndarray]

DEPTH = 4  # batches ahead; more would give a trial free batches after each evaluation
MAX_BYTES = 2 * 2**30  # of all batches ahead together


@dataclasses.dataclass(frozen=True)
class Order:
    """Which batches a feed is to make.

    Attributes:
      plan: the examples of each batch.
      seed: of the random numbers of rows; a trial's.
      stream: what they are for.
      rows: the part of each batch that this process makes; None for the whole.
    """

    plan: Plan
    seed: int
    stream: Stream = Stream.TRAIN
    rows: slice | None = None

    @classmethod
    def of_training(cls, source: Source, batch_size: int, seed: int) -> "Order":
        """The batches of a trial. Raises ValueError where a batch does not fit the split."""
        return cls(source.plan(seed, batch_size), seed)


class Feed:
    """Batch `t` of a source, for any `t`; those after it are being made meanwhile.

    A batch depends on the order and on `t` alone: not on workers, depth or what was asked before.
    With a plan of one pass, batches have "weights", float32 (rows,), 0 for padding.

    Args:
      num_workers: threads that read; 0 makes each batch when it is asked for.
      put: from a batch on the host to what `get` gives; called in one thread of its own, for
        moving batches to the devices ahead of time.
      depth, max_bytes: batches ahead, and their bytes; one is always ahead.
    """

    def __init__(
        self,
        source: Source,
        order: Order,
        num_workers: int,
        put: Callable[[HostBatch], Any] = lambda batch: batch,
        depth: int = DEPTH,
        max_bytes: int = MAX_BYTES,
    ):
        self._source, self._order, self._put = source, order, put
        self._num_workers, self._depth, self._max_bytes = num_workers, depth, max_bytes
        self._ahead: collections.OrderedDict[int, Future[Any]] = collections.OrderedDict()
        self._readers = self._putter = None
        if num_workers:
            self._readers = ThreadPoolExecutor(num_workers, "feed-read")
            self._putter = ThreadPoolExecutor(1, "feed-put")
        # No rows, of the shapes and types of all: known when some were read.
        self._like: HostBatch | None = None
        self.seconds_waited = 0.0  # in all calls of `get`

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def get(self, t: int) -> Any:
        """Batch `t`, put; waits until it is there.

        Raises IndexError past the end of a pass, and what reading the batch raised.
        """
        self._check(t)
        began = time.perf_counter()
        try:
            if self._readers is None:
                [block] = self._cut(t, self._order.plan.picks(t))
                return self._put(self._weighted(t, self._source.rows(*block)))
            self.expect(t)
            found = self._ahead.pop(t).result()
            self.expect(t + 1)
            return found
        finally:
            self.seconds_waited += time.perf_counter() - began

    def peek(self, t: int) -> Any:
        """What `get(t)` gives, which will give it again: the batch stays, and so do those ahead."""
        self._check(t)
        if self._readers is None:
            return self.get(t)
        self.expect(t)
        return self._ahead[t].result()

    def read(self, t: int, picks: np.ndarray) -> Any:
        """A batch of other examples than the plan's, (rows,), put; waits until it is made.

        Its rows draw the random numbers of batch `t`, and nothing is read ahead for it.
        """
        began = time.perf_counter()
        try:
            if self._readers is None:
                [block] = self._cut(t, picks)
                return self._put(self._source.rows(*block))
            return self._begin(t, self._cut(t, picks)).result()
        finally:
            self.seconds_waited += time.perf_counter() - began

    def is_ready(self, t: int) -> bool:
        """Whether `get(t)` would not wait."""
        return t in self._ahead and self._ahead[t].done()

    def expect(self, t: int) -> None:
        """Begins with batch `t` and those after it; what is ahead and not among them is dropped."""
        last = self._order.plan.num_batches
        wanted = range(t, t + self._depth if last is None else min(last, t + self._depth))
        for old in [kept for kept in self._ahead if kept not in wanted]:
            self._ahead.pop(old).cancel()
        for each in wanted:
            if self._readers is not None and each not in self._ahead:
                blocks = self._cut(each, self._order.plan.picks(each))
                self._ahead[each] = self._begin(each, blocks)

    def rest(self) -> list[Any]:
        """Waits until all that is ahead is made, so that none of the feed's threads computes;
        returns it, since what `put` began may still be under way."""
        ahead = [future for future in list(self._ahead.values()) if not future.cancelled()]
        # `get` raises what went wrong.
        return [future.result() for future in ahead if future.exception() is None]

    def close(self) -> None:
        """Ends the threads; batches that are not begun are never made."""
        self._ahead.clear()
        for pool in (self._putter, self._readers):
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)

    def _check(self, t: int) -> None:
        last = self._order.plan.num_batches
        if last is not None and not 0 <= t < last:
            raise IndexError(f"batch {t} of a pass of {last}")

    def _begin(self, t: int, blocks: list[tuple[np.ndarray, RowKeys]]) -> Future[Any]:
        batch = _Batch(sum(len(picks) for picks, _ in blocks))
        starts = itertools.accumulate((len(picks) for picks, _ in blocks), initial=0)
        parts = [
            self._readers.submit(self._read, batch, first, *block)
            for first, block in zip(starts, blocks, strict=False)
        ]
        return self._putter.submit(self._finish, t, batch, parts)

    def _read(self, batch: "_Batch", first: int, picks: np.ndarray, keys: RowKeys) -> None:
        """Reads a worker's part of a batch to where it belongs, from the batch's row `first` on."""
        if len(picks) == batch.size:
            batch.arrays = self._source.rows(picks, keys)
            return
        rows = None
        if self._like is None:
            rows = self._source.rows(picks, keys)
            self._like = {name: np.empty_like(values[:0]) for name, values in rows.items()}
        whole = batch.like(self._like)
        part = {name: values[first : first + len(picks)] for name, values in whole.items()}
        if rows is None:
            self._source.fill(part, picks, keys)
        for name, values in (rows or {}).items():
            part[name][...] = values

    def _finish(self, t: int, batch: "_Batch", parts: list[Future[None]]) -> Any:
        for part in parts:
            part.result()
        size = sum(values.nbytes for values in batch.arrays.values())
        # The first batch tells how many fit; those begun before are few.
        self._depth = max(1, min(self._depth, self._max_bytes // max(1, size)))
        return self._put(self._weighted(t, batch.arrays))

    def _cut(self, t: int, picks: np.ndarray) -> list[tuple[np.ndarray, RowKeys]]:
        """The picks of each worker's part of this process's rows, and their keys."""
        order = self._order
        first, last, _ = (order.rows or slice(None)).indices(len(picks))
        parts = max(1, min(self._num_workers, last - first)) if self._source.is_divisible else 1
        edges = np.linspace(first, last, parts + 1).round().astype(int).tolist()
        return [
            (picks[begin:end], RowKeys(order.seed, order.stream, t, begin))
            for begin, end in itertools.pairwise(edges)
        ]

    def _weighted(self, t: int, batch: HostBatch) -> HostBatch:
        # An evaluation's last batch is filled up; training drops what fills none.
        if self._order.plan.num_batches is None:
            return batch
        weights = self._order.plan.weights(t)
        return {**batch, "weights": weights[self._order.rows or slice(None)]}


class _Batch:
    """The arrays of a batch, into which several threads write their rows.

    Joining what each has read would copy all of it once more, in one thread.
    """

    def __init__(self, size: int):
        self.size = size
        self.arrays: HostBatch = {}
        self._lock = threading.Lock()

    def like(self, rows: HostBatch) -> HostBatch:
        """The arrays, of the shapes and types of `rows`; made by the first who asks."""
        with self._lock:
            if not self.arrays:
                self.arrays = {
                    name: np.empty((self.size, *values.shape[1:]), values.dtype)
                    for name, values in rows.items()
                }
            return self.arrays
