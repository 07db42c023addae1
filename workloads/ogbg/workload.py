"""Prediction of a molecule's many properties with a graph network, on generated molecules."""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, Groups, LossType, PyTree
from workloads.linen import LinenWorkload
from workloads.losses import sigmoid_cross_entropy, weighted_loss
from workloads.ogbg import data
from workloads.ogbg.model import GraphNet, GraphNetConfig
from workloads.ogbg.molecules import MAX_ATOMS


@dataclasses.dataclass(frozen=True)
class OGBG(LinenWorkload):
    """Binary tasks with missing labels (NaN); metric: mean average precision over the tasks."""

    loss_type: ClassVar[LossType] = LossType.SIGMOID_CROSS_ENTROPY
    target_metric_name: ClassVar[str] = "mean_average_precision"

    def model(self) -> GraphNet:
        return GraphNet(self.config)

    def example_batch(self) -> Batch:
        nodes, edges = self.config.max_nodes, self.config.max_edges
        return {
            "inputs": np.zeros((1, nodes, data.NODE_FEATURES), np.int8),
            "edges": np.zeros((1, edges, data.EDGE_FEATURES), np.int8),
            "senders": np.zeros((1, edges), np.int8),
            "receivers": np.zeros((1, edges), np.int8),
            "n_node": np.ones(1, np.int8),
            "n_edge": np.zeros(1, np.int8),
        }

    def model_inputs(self, batch: Batch) -> tuple[Any, ...]:
        return ({name: batch[name] for name in (*data.GRAPH, "n_graph") if name in batch},)

    def loss_fn(
        self,
        label_batch: Array,
        logits_batch: Array,
        mask_batch: Array | None = None,
        label_smoothing: Array | float = 0.0,
    ) -> dict[str, Array]:
        """AlgoPerf's loss dictionary; labels and logits (B, T), mask (B,) or (B, T), or all of them
        with an axis of bins in front.

        A missing label weighs nothing, so `n_valid_examples` counts labels rather than molecules.
        """
        valid = (~jnp.isnan(label_batch)).astype(logits_batch.dtype)
        weights = valid
        if mask_batch is not None:
            mask = mask_batch.reshape(*mask_batch.shape, *[1] * (valid.ndim - mask_batch.ndim))
            weights = valid * mask
        # Not NaN times 0: that is NaN, in the gradient too.
        labels = jnp.where(valid > 0, label_batch, 0.5)
        # Smoothing over two classes, as optax.smooth_labels would with their one-hot form.
        labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        return weighted_loss(sigmoid_cross_entropy(logits_batch, labels), weights)

    def dataset(self, split: str) -> dict[str, np.ndarray]:
        self.require_lite()
        return data.examples(split)

    @property
    def groups(self) -> Groups | None:
        """The rarest assay that a molecule is positive in: labels, but few molecules share all."""
        return Groups.by(data.rarest_assays()) if self.scale == "lite" else None

    @property
    def targets_per_example(self) -> int:
        """The tasks, whether or not graphs are packed into bins."""
        return self.config.num_outputs

    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        logits = self.logits(params, batch, model_state, rng)
        losses = self.loss_fn(batch["targets"], logits)["per_example"]
        found = {"logits": logits, "targets": batch["targets"], "losses": losses}
        if "is_algoperfs" in batch:
            found["is_algoperfs"] = batch["is_algoperfs"]
        return found

    def eval_metrics(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        """Means over valid labels, and the mean of the tasks' average precisions.

        Of bins, all of them count the graphs that AlgoPerf counts, as its targets do, and
        `mean_average_precision_all` has all.
        """
        logits, targets, losses = (
            outputs[name].reshape(-1, outputs[name].shape[-1])
            for name in ("logits", "targets", "losses")
        )
        extra = {}
        if "is_algoperfs" in outputs:
            extra["mean_average_precision_all"] = mean_average_precision(logits, targets)
            rows = outputs["is_algoperfs"].reshape(-1)
            logits, targets, losses = logits[rows], targets[rows], losses[rows]
        valid = ~np.isnan(targets)
        correct = (logits > 0) == (targets > 0)
        return {
            "loss": float(losses[valid].mean(dtype=np.float64)),
            "accuracy": float(correct[valid].mean()),
            "mean_average_precision": mean_average_precision(logits, targets),
            **extra,
        }


def mean_average_precision(scores: np.ndarray, targets: np.ndarray) -> float:
    """Mean over tasks with both a positive and a negative label; NaN if there is no such task.

    Args:
      scores: (n, tasks).
      targets: (n, tasks) of 0, 1 and NaN for a missing label.
    """
    found = []
    # A task all of whose labels are equal has no precision-recall curve; OGB's evaluator skips it.
    for score, target in zip(scores.T, targets.T, strict=True):
        valid = ~np.isnan(target)
        positive = target[valid] > 0
        if positive.any() and not positive.all():
            found.append(average_precision(score[valid], positive))
    return float(np.mean(found)) if found else float("nan")


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the precision-recall steps, one per distinct score, as scikit-learn defines it."""
    order = np.argsort(-scores)
    hits = np.cumsum(positive[order])
    last_of_ties = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = hits[last_of_ties]
    return float((np.diff(hits, prepend=0) * hits / (last_of_ties + 1)).sum() / hits[-1])


SCALES = {
    "lite": OGBG(
        name="ogbg",
        scale="lite",
        config=GraphNetConfig(
            hidden_dim=32,
            num_steps=3,
            num_outputs=data.NUM_TASKS,
            max_nodes=MAX_ATOMS,
            max_edges=data.MAX_EDGES,
        ),
        batch_size=64,
        eval_batch_size=64,
        step_hint=4500,
    ),
    "full": OGBG(
        name="ogbg",
        scale="full",
        config=GraphNetConfig(),
        batch_size=512,
        eval_batch_size=32_768,
        step_hint=52_000,
    ),
}
VARIANTS: dict[str, dict] = {
    "gelu": {"activation": "gelu"},
    "silu": {"activation": "silu"},
    "model_size": {"mlp_layers": 2, "embed_divisor": 2, "num_steps": 3},
}
