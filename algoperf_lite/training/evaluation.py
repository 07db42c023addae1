"""Evaluation of parameters on a split: jitted batches, padding that weighs nothing."""

import hashlib
from typing import Any

import jax
import numpy as np

from algoperf_lite.spec import SPLITS, Batch, PyTree, Workload, num_examples
from algoperf_lite.training import compilation

_TRAIN_SUBSET_SEED = 0  # training metrics are measured on the same examples in every trial


def padded_batches(data: Batch, batch_size: int) -> list[dict[str, np.ndarray]]:
    """`data` in batches of one shape; padding repeats the last row and has weight 0.

    Adds 'weights', float32 (batch_size,), 1 for a real example.
    """
    total = num_examples(data)
    batches = []
    for start in range(0, total, batch_size):
        rows = np.arange(start, start + batch_size)
        # A real row in place of zeros, which some models turn into NaN, and NaN times 0 is NaN.
        batch = {
            name: np.asarray(values)[rows.clip(max=total - 1)] for name, values in data.items()
        }
        batches.append({**batch, "weights": (rows < total).astype(np.float32)})
    return batches


class Evaluator:
    """Metrics of a workload's splits; the batches stay on the device, one program serves all."""

    def __init__(self, workload: Workload):
        self._workload = workload
        self._splits: dict[str, tuple[int, list[Any]]] = {}
        for split in ("train", "validation", "test"):
            data = workload.eval_dataset(split)
            if split == "train":
                data = _subset(data, workload.num_validation_examples)
            batches = padded_batches(data, workload.eval_batch_size)
            self._splits[split] = (num_examples(data), jax.device_put(batches))
        self._step: Any = None

    def compile(self, params: PyTree, model_state: PyTree) -> None:
        """Compiles ahead of time; at most one program, as all batches have one shape."""
        _, batches = self._splits["validation"]
        key = jax.random.key_data(jax.random.key(0))
        jitted = jax.jit(self._eval_step)
        lowered = jitted.lower(params, batches[0], model_state, key)
        self._step = compilation.compiled(lowered)
        self._key = jax.device_put(key)
        jax.block_until_ready(self._step(params, batches[0], model_state, self._key))

    def __call__(self, params: PyTree, model_state: PyTree, split: str) -> dict[str, float]:
        """{'<split>/<metric>': value, '<split>/num_examples': n}; blocks until it is known."""
        rows = self.outputs(params, model_state, split)
        metrics = {f"{split}/{k}": v for k, v in self._workload.eval_metrics(rows).items()}
        return {**metrics, f"{split}/num_examples": self._splits[split][0]}

    def outputs(self, params: PyTree, model_state: PyTree, split: str) -> dict[str, np.ndarray]:
        """The results of `eval_step` for each example of a split, padding removed."""
        total, batches = self._splits[split]
        # All batches are dispatched before the first result is fetched.
        found = [self._step(params, batch, model_state, self._key) for batch in batches]
        found = jax.device_get(found)
        return {name: np.concatenate([part[name] for part in found])[:total] for name in found[0]}

    def _eval_step(self, params: PyTree, batch: Batch, model_state: PyTree, key_data: Any) -> Any:
        key = jax.random.wrap_key_data(key_data)
        return self._workload.eval_step(params, batch, model_state, key)


def _subset(data: Batch, size: int) -> dict[str, np.ndarray]:
    total = num_examples(data)
    rows = np.random.default_rng(_TRAIN_SUBSET_SEED).permutation(total)[: min(size, total)]
    return {name: values[np.sort(rows)] for name, values in data.items()}


def data_sha256(workload: Workload) -> str:
    """Hash of every byte of every split."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for name, values in sorted(workload.dataset(split).items()):
            digest.update(f"{split}/{name}/{values.dtype}/{values.shape}".encode())
            digest.update(np.ascontiguousarray(values))
    return digest.hexdigest()
