"""Workloads with a flax.linen model: parameters, model state, modes, dropout and metrics."""

import abc
import dataclasses
import importlib
from pathlib import Path
from typing import Any, ClassVar

import flax.linen as nn
import jax
import numpy as np

from algoperf_lite.data import folders, processed
from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.source import DataError, InMemory, Source
from algoperf_lite.spec import EVAL_TRAIN, Array, Batch, ForwardPassMode, PyTree, Workload


@dataclasses.dataclass(frozen=True)
class LinenWorkload(Workload):
    """A workload whose model is `self.model()`, a flax.linen module made from `self.config`.

    The module is called as `module(*self.model_inputs(batch), train=..., dropout_rate=...)` and
    returns logits. `train` says whether batch norm uses the batch's statistics and dropout drops;
    the rate may be traced (`layers.Dropout` takes it). Running statistics, if any, are in the
    collection "batch_stats", which is the model state.

    Parameters are stored divided by `parameter_multiplier` m and multiplied back where the model
    reads them. The function and its initial law do not depend on m. A step of size s on what is
    stored moves the weight by m * s, so m says what a learning rate means: with the right m, one
    that suits the full-scale model suits a small one (the multipliers of muP, Yang et al. 2022,
    arXiv 2203.03466, with one for all parameters). Gradients of what is stored are m times as
    large, which Adam does not see; plain SGD moves the weight by m^2 as much.

    Attributes:
      parameter_multiplier: m above; 1 at full scale, and where a family has no `multipliers.json`.
      output_layer: top-level name, in the parameter tree, of the layer that makes the logits.
    """

    # Not shown by repr, which keys the calibration: no step takes longer for it.
    parameter_multiplier: float = dataclasses.field(default=1.0, repr=False, kw_only=True)
    output_layer: ClassVar[str] = "output"

    @abc.abstractmethod
    def model(self) -> nn.Module:
        """The module, whose sizes and switches are `self.config`."""

    @abc.abstractmethod
    def example_batch(self) -> Batch:
        """A batch of one with the shapes and types of real inputs; zeros will do."""

    @property
    def dropout_rate(self) -> float:
        """Dropout where `model_fn` is given no rate: the config's, if its model has any."""
        return getattr(self.config, "dropout_rate", 0.0)

    def model_inputs(self, batch: Batch) -> tuple[Any, ...]:
        """The arguments of the module: by default the batch's inputs alone."""
        return (batch["inputs"],)

    def init_model_fn(self, rng: Array) -> tuple[PyTree, PyTree]:
        inputs = self.model_inputs(self.example_batch())
        # In evaluation mode, which needs no second random stream and draws the same parameters.
        variables = self.model().init(rng, *inputs, train=False, dropout_rate=0.0)
        params = jax.tree.map(lambda p: p / self.parameter_multiplier, variables["params"])
        return params, variables.get("batch_stats", {})

    def weights(self, params: PyTree) -> PyTree:
        """What the model computes with: the stored parameters times the multiplier."""
        # A multiplier of 1 leaves no trace in the program.
        if self.parameter_multiplier == 1:
            return params
        return jax.tree.map(lambda p: p * self.parameter_multiplier, params)

    def model_fn(
        self,
        params: PyTree,
        augmented_and_preprocessed_input_batch: Batch,
        model_state: PyTree,
        mode: ForwardPassMode,
        rng: Array,
        update_batch_norm: bool,
        dropout_rate: Array | float | None = None,
    ) -> tuple[Any, PyTree]:
        variables = {"params": self.weights(params)}
        if model_state:
            variables["batch_stats"] = model_state
        if dropout_rate is None:
            dropout_rate = self.dropout_rate
        train = mode == ForwardPassMode.TRAIN
        # linen returns a collection only where it is declared mutable, and then demands it: so the
        # arguments depend on the mode. Both are Python values, so one mode is one program.
        logits, changed = self.model().apply(
            variables,
            *self.model_inputs(augmented_and_preprocessed_input_batch),
            train=train,
            dropout_rate=dropout_rate,
            rngs={"dropout": rng} if train else None,
            mutable=["batch_stats"] if train and model_state else [],
        )
        # A submission that goes through a batch twice, as SAM does, updates statistics once.
        if train and model_state and update_batch_norm:
            model_state = changed["batch_stats"]
        return logits, model_state

    def eval_metrics(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        """The mean over examples of each output, summed in float64."""
        # In float32 the sum of a million examples would lose the digits that tell trials apart.
        return {name: float(np.mean(values, dtype=np.float64)) for name, values in outputs.items()}

    def is_output_params(self, param_key: str) -> bool:
        return param_key == self.output_layer

    def logits(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array | None = None
    ) -> Any:
        """The model's output in evaluation mode."""
        return self.model_fn(params, batch, model_state, ForwardPassMode.EVAL, rng, False)[0]

    def dataset(self, split: str) -> dict[str, np.ndarray]:
        """All examples of a split in memory: arrays with one leading axis.

        The same bytes in every process: data come from files or from constants of the generator.
        A workload whose data do not fit in memory writes `source` in its place.
        """
        raise NotImplementedError(f"workload {self.name!r} has neither `dataset` nor `source`")

    def eval_dataset(self, split: str) -> dict[str, np.ndarray]:
        """The rows of `split` that evaluation sees; the arrays of all splits have one form.

        Default: the data set itself. A workload that trains on packed sequences differs.
        """
        return self.dataset(split)

    def source(self, split: str) -> Source:
        """What `dataset` and `eval_dataset` make; at full scale what `full.py` beside it reads.

        Raises DataError where files are missing, or nobody said where they are.
        """
        if self.scale == "lite":
            return self._in_memory(split)
        if self.data_dir is None:
            raise DataError(
                f"workload {self.name!r} reads its data from files at scale {self.scale!r}; say "
                f"where by --data_dir or the variable {folders.VARIABLE}"
            )
        reader = importlib.import_module(".full", type(self).__module__.rpartition(".")[0])
        return processed.of_reader(reader, Path(self.data_dir), split)

    @property
    def targets_per_example(self) -> int:
        """Those of the first example."""
        keys = RowKeys(0, Stream.TRAIN, step=0)
        row = self.source("train").rows(np.zeros(1, np.int64), keys)
        return int(np.prod(row["targets"].shape[1:]))

    def _in_memory(self, split: str) -> Source:
        if split == EVAL_TRAIN:
            # As many as give the training metrics the precision of the validation metrics.
            return InMemory(self.eval_dataset("train")).part(self.num_validation_examples)
        return InMemory(self.dataset(split) if split == "train" else self.eval_dataset(split))

    def require_lite(self) -> None:
        """Raises ValueError where made-up data of another scale are asked for."""
        if self.scale != "lite":
            raise ValueError(
                f"workload {self.name!r} makes up no data at scale {self.scale!r}; its `source` "
                "reads them"
            )
