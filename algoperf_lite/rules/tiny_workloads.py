"""Two tiny workloads to try a submission on, under any names: they compile in a moment."""

import dataclasses
import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.data.source import InMemory
from algoperf_lite.spec import (
    Array,
    Batch,
    ForwardPassMode,
    Groups,
    LossType,
    ParameterType,
    PyTree,
    Workload,
)

# All different, so that a submission that mixes up two axes fails.
_EXAMPLES, _INPUTS, _HIDDEN, _OUTPUTS = 64, 12, 8, 4
_MOMENTUM = 0.9  # of running averages; three steps from the start must still show in them


@dataclasses.dataclass(frozen=True)
class Names:
    """Names of the three layers, in the order of the alphabet.

    JAX sorts keys, so other names in the same order leave the order of leaves alone.
    """

    hidden: str = "a_hidden"
    norm: str = "b_norm"
    output: str = "c_output"


@dataclasses.dataclass(frozen=True)
class TinyWorkload(Workload):
    """One hidden layer, normalised over the batch or over features; `config` is its `Names`."""

    loss_type: ClassVar[LossType] = LossType.SOFTMAX_CROSS_ENTROPY
    target_metric_name: ClassVar[str] = "loss"
    has_batch_norm: ClassVar[bool] = False

    def init_model_fn(self, rng: Array) -> tuple[PyTree, PyTree]:
        one, other = jax.random.split(rng)
        # A dict by hand and not linen's, whose names come from the classes of its modules.
        names, ones, zeros = self.config, jnp.ones(_HIDDEN), jnp.zeros(_HIDDEN)
        params = {
            names.hidden: {"kernel": _kernel(one, _INPUTS, _HIDDEN), "bias": zeros},
            names.norm: {"scale": ones, "bias": zeros},
            names.output: {
                "kernel": _kernel(other, _HIDDEN, _OUTPUTS),
                "bias": jnp.zeros(_OUTPUTS),
            },
        }
        state = {names.norm: {"mean": zeros, "var": ones}} if self.has_batch_norm else {}
        return params, state

    def model_fn(
        self,
        params: PyTree,
        augmented_and_preprocessed_input_batch: Batch,
        model_state: PyTree,
        mode: ForwardPassMode,
        rng: Array,
        update_batch_norm: bool,
        dropout_rate: Array | float | None = None,
    ) -> tuple[Array, PyTree]:
        names = self.config
        x = _dense(params[names.hidden], augmented_and_preprocessed_input_batch["inputs"])
        if mode == ForwardPassMode.TRAIN and dropout_rate is not None:
            kept = jax.random.bernoulli(rng, 1 - dropout_rate, x.shape)
            x = jnp.where(kept, x / (1 - dropout_rate), 0.0)
        # Written out for both kinds of norm, so that a submission meets running statistics and
        # none of them with the same parameters.
        if self.has_batch_norm:
            now = {"mean": jnp.mean(x, axis=0), "var": jnp.var(x, axis=0)}
            running = model_state[names.norm]
            used = now if mode == ForwardPassMode.TRAIN else running
            if mode == ForwardPassMode.TRAIN and update_batch_norm:
                mixed = jax.tree.map(lambda r, n: _MOMENTUM * r + (1 - _MOMENTUM) * n, running, now)
                model_state = {names.norm: mixed}
        else:
            used = {
                "mean": jnp.mean(x, axis=-1, keepdims=True),
                "var": jnp.var(x, axis=-1, keepdims=True),
            }
        x = (x - used["mean"]) * jax.lax.rsqrt(used["var"] + 1e-5)
        norm = params[names.norm]
        return _dense(
            params[names.output], jax.nn.relu(x * norm["scale"] + norm["bias"])
        ), model_state

    def loss_fn(
        self,
        label_batch: Array,
        logits_batch: Array,
        mask_batch: Array | None = None,
        label_smoothing: Array | float = 0.0,
    ) -> dict[str, Array]:
        labels = jax.nn.one_hot(label_batch, _OUTPUTS)
        labels = (1 - label_smoothing) * labels + label_smoothing / _OUTPUTS
        per_example = -jnp.sum(labels * jax.nn.log_softmax(logits_batch), axis=-1)
        weights = jnp.ones_like(per_example) if mask_batch is None else mask_batch
        return {
            "summed": jnp.sum(weights * per_example),
            "n_valid_examples": jnp.sum(weights),
            "per_example": per_example,
        }

    @property
    def targets_per_example(self) -> int:
        """A label."""
        return 1

    @property
    def groups(self) -> Groups:
        """The labels."""
        return Groups.by(_data()["targets"])

    def source(self, split: str) -> InMemory:
        """The same few examples for every split."""
        del split
        return InMemory(_data())

    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        mode = ForwardPassMode.EVAL
        logits, _ = self.model_fn(params, batch, model_state, mode, rng, False)
        return {"loss": self.loss_fn(batch["targets"], logits)["per_example"]}

    def eval_metrics(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        return {"loss": float(np.mean(outputs["loss"]))}

    def is_output_params(self, param_key: str) -> bool:
        return param_key == self.config.output

    @property
    def model_params_types(self) -> PyTree:
        """Types by the place of a layer: its name is to mean nothing here."""
        kinds, names = ParameterType, self.config
        norm = kinds.LAYER_NORM_SCALE, kinds.LAYER_NORM_BIAS
        if self.has_batch_norm:
            norm = kinds.BATCH_NORM_SCALE, kinds.BATCH_NORM_BIAS
        dense = {"kernel": kinds.WEIGHT, "bias": kinds.BIAS}
        return {
            names.hidden: dense,
            names.norm: {"scale": norm[0], "bias": norm[1]},
            names.output: dense,
        }


class TinyBatchNormWorkload(TinyWorkload):
    """The same network with running statistics, which a submission has to hand on."""

    has_batch_norm = True


def both(name: str, names: Names) -> tuple[TinyWorkload, TinyWorkload]:
    """The two tiny workloads under a workload's name and layers' names."""
    # A target of 0 for the loss: no submission may end a dry run by reaching it.
    sizes = {"batch_size": 16, "eval_batch_size": 32, "step_hint": 100}
    return tuple(
        kind(name=name, scale="lite", config=names, validation_target_value=0.0, **sizes)
        for kind in (TinyWorkload, TinyBatchNormWorkload)
    )


def _kernel(rng: Array, inputs: int, outputs: int) -> Array:
    return jax.random.normal(rng, (inputs, outputs)) / np.sqrt(inputs)


def _dense(params: Any, x: Array) -> Array:
    return x @ params["kernel"] + params["bias"]


@functools.cache
def _data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((_EXAMPLES, _INPUTS)).astype(np.float32)
    # The label is the largest of the first inputs: a few steps lower the loss, so gradients are
    # neither zero nor wild.
    return {"inputs": inputs, "targets": np.argmax(inputs[:, :_OUTPUTS], axis=-1).astype(np.int32)}
