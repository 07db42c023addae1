"""Evaluation of parameters on a split: jitted batches, padding that weighs nothing.

A split that is in memory lies on the device whole; another one is read anew in each evaluation, and
goes through the device batch by batch.
"""

import collections
import contextlib
import functools
import hashlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from algoperf_lite.data.feed import Feed, Order
from algoperf_lite.data.keys import Stream
from algoperf_lite.data.plan import Plan
from algoperf_lite.data.source import InMemory, Part, Source
from algoperf_lite.spec import EVAL_TRAIN, PyTree, Workload
from algoperf_lite.training import compilation

_IN_FLIGHT = 2  # batches whose results are not fetched yet, of a split that is read
_SEED = 0  # of what is random about evaluated examples: the same in every trial


class Evaluator:
    """Metrics of a workload's splits; one program serves all.

    Args:
      most: examples of a split that are evaluated, a fixed choice where it has more; None for all.
      num_workers: threads that read a split which is not in memory.
    """

    def __init__(self, workload: Workload, most: int | None = None, num_workers: int = 1):
        self._workload = workload
        self._splits = {
            split: _Split(_evaluated(workload, split, most), workload.eval_batch_size, num_workers)
            for split in workload.evaluated_splits
        }
        self._step: Any = None

    def compile(self, params: PyTree, model_state: PyTree) -> None:
        """Compiles ahead of time; at most one program, as all batches have one shape."""
        with self._splits["validation"].batches() as batches:
            batch = next(batches)
        key = jax.random.key_data(jax.random.key(0))
        jitted = jax.jit(self._eval_step)
        lowered = jitted.lower(params, batch, model_state, key)
        self._step = compilation.compiled(lowered)
        self._key = jax.device_put(key)
        jax.block_until_ready(self._step(params, batch, model_state, self._key))

    def __call__(self, params: PyTree, model_state: PyTree, split: str) -> dict[str, float]:
        """{'<split>/<metric>': value, '<split>/num_examples': n}; blocks until it is known.

        Empty for a split that the workload does not evaluate.
        """
        if split not in self._splits:
            return {}
        rows = self.outputs(params, model_state, split)
        metrics = {f"{split}/{k}": v for k, v in self._workload.eval_metrics(rows).items()}
        return {**metrics, f"{split}/num_examples": self._splits[split].source.num_examples}

    def outputs(self, params: PyTree, model_state: PyTree, split: str) -> dict[str, np.ndarray]:
        """The results of `eval_step` for each row of a split, padding removed.

        Raises DataError where the split cannot be read.
        """
        found = self._splits[split]
        with found.batches() as batches:
            results = (self._step(params, batch, model_state, self._key) for batch in batches)
            if found.on_device is not None:
                # All batches are dispatched before the first result is fetched.
                results = iter(jax.device_get(list(results)))
            return _joined(results, found.plan, found.num_rows)

    def _eval_step(self, params: PyTree, batch: Any, model_state: PyTree, key_data: Any) -> Any:
        key = jax.random.wrap_key_data(key_data)
        return self._workload.eval_step(params, batch, model_state, key)


class _Split:
    """The batches of a split, as often as they are wanted."""

    def __init__(self, source: Source, batch_size: int, num_workers: int):
        self.source, self._num_workers = source, num_workers
        self.plan = source.eval_plan(batch_size)
        self.on_device = None
        if _is_in_memory(source):
            with self._read(0) as batches:
                self.on_device = jax.device_put(list(batches))

    @functools.cached_property
    def num_rows(self) -> int:
        """Rows of a pass that are not padding."""
        weights = map(self.plan.weights, range(self.plan.num_batches))
        return sum(map(np.count_nonzero, weights))

    @contextlib.contextmanager
    def batches(self) -> Iterator[Iterator[Any]]:
        """One pass; each batch has 'weights', float32 (rows,), 0 for padding."""
        if self.on_device is not None:
            yield iter(self.on_device)
            return
        with self._read(self._num_workers) as batches:
            yield map(jax.device_put, batches)

    @contextlib.contextmanager
    def _read(self, num_workers: int) -> Iterator[Iterator[Any]]:
        with Feed(self.source, Order(self.plan, _SEED, Stream.EVAL), num_workers) as feed:
            yield map(feed.get, range(self.plan.num_batches))


def _evaluated(workload: Workload, split: str, most: int | None) -> Source:
    source = workload.source(EVAL_TRAIN if split == "train" else split)
    return source if most is None else source.part(most)


def _is_in_memory(source: Source) -> bool:
    return isinstance(source.source if isinstance(source, Part) else source, InMemory)


def _joined(results: Iterator[Any], plan: Plan, num_rows: int) -> dict[str, np.ndarray]:
    """The rows of all batches that weigh something, by output; fetched as they are ready.

    They are written where they belong: joined in the end, a hundred million would lie there twice.
    """
    out: dict[str, np.ndarray] = {}
    done = 0
    for t, result in enumerate(_behind(results)):
        is_real = plan.weights(t) > 0
        end = done + np.count_nonzero(is_real)
        for name, values in jax.device_get(result).items():
            values = np.asarray(values)
            if name not in out:
                out[name] = np.empty((num_rows, *values.shape[1:]), values.dtype)
            out[name][done:end] = values[is_real]
        done = end
    return out


def _behind(results: Iterator[Any]) -> Iterator[Any]:
    """The same, each only when the next ones are dispatched, so that the device need not wait."""
    waiting: collections.deque[Any] = collections.deque()
    for result in results:
        waiting.append(result)
        if len(waiting) > _IN_FLIGHT:
            yield waiting.popleft()
    yield from waiting


def data_sha256(workload: Workload) -> str:
    """Hash of what all splits are: of every byte in memory, of samples of files."""
    digest = hashlib.sha256()
    for split in dict.fromkeys(("train", *workload.evaluated_splits)):
        digest.update(f"{split}/{workload.source(split).fingerprint()}".encode())
    return digest.hexdigest()
