"""The contract between harness, workloads and submissions. It imports nothing else of ours.

Names are AlgoPerf's (`algoperf/spec.py`), because that is what the field's submissions call.
"""

import abc
import collections
import dataclasses
import enum
import functools
import keyword
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import numpy as np

from algoperf_lite.spec import parameter_types
from algoperf_lite.spec.parameter_types import ParameterType as ParameterType
from algoperf_lite.spec.selection import DataSelection as DataSelection
from algoperf_lite.spec.selection import Groups as Groups

Array = jax.Array | np.ndarray
PyTree = Any  # Python's types cannot say "nested dicts, tuples and dataclasses of arrays"
Batch = Mapping[str, Array]
Source = Any  # an `algoperf_lite.data.source.Source`; who only reads a contract reads no files

SPLITS = ("train", "validation", "test")
EVAL_TRAIN = "eval_train"  # the training examples that are evaluated, see `Workload.source`
# Metrics are higher-is-better unless they stand here, as in AlgoPerf's scoring.
LOWER_IS_BETTER = frozenset({"loss", "ctc_loss", "wer", "ppl", "perplexity"})


class LossType(enum.Enum):
    """The kind of loss a workload has; a submission may choose its settings by it."""

    SOFTMAX_CROSS_ENTROPY = 0
    SIGMOID_CROSS_ENTROPY = 1
    MEAN_SQUARED_ERROR = 2
    CTC_LOSS = 3
    MEAN_ABSOLUTE_ERROR = 4


class ForwardPassMode(enum.Enum):
    """Whether a model drops out, and by which statistics it normalises."""

    TRAIN = 0
    EVAL = 1


class TrainingCompleteError(Exception):
    """Raised by a submission in AlgoPerf's form to end training; one last evaluation follows."""


class ShapeTuple:
    """A parameter's shape as one leaf: a bare tuple would be taken apart by `jax.tree.map`."""

    def __init__(self, shape_tuple: tuple[int, ...]):
        self.shape_tuple = tuple(shape_tuple)

    def __repr__(self) -> str:
        return f"ShapeTuple({self.shape_tuple})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeTuple) and self.shape_tuple == other.shape_tuple

    def __hash__(self) -> int:
        return hash(self.shape_tuple)


def hyperparameters(point: Mapping[str, Any] | None) -> Any:
    """The namedtuple a submission receives for `point`; None for a hyperparameter-free one.

    Raises ValueError where a name is no Python identifier.
    """
    if point is None:
        return None
    for name in point:
        # A namedtuple's own methods start with an underscore, so its fields may not.
        if not str(name).isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
            raise ValueError(
                f"hyperparameter name {name!r} is not a plain Python name; "
                "use letters, digits and underscores, as in 'learning_rate'"
            )
    return _hyperparameters_class(tuple(point))(**point)


@functools.cache  # one class for equal names: to JAX, another class is another structure
def _hyperparameters_class(names: tuple[str, ...]) -> type:
    return collections.namedtuple("Hyperparameters", names)


@dataclasses.dataclass(frozen=True)
class Workload(abc.ABC):
    """A fixed model, data set, loss and metric; frozen, hashable, and pure wherever JAX traces it.

    A family is one final subclass in `workloads/<family>/workload.py`; its scales and variants are
    values of it. Everything `model_fn`, `loss_fn`, `augment` and `eval_step` do must trace under
    `jit`, `vmap` and `scan`.

    Attributes:
      name: what the user types, variant included, such as "criteo1tb_layernorm".
      scale: "lite" or "full".
      config: frozen dataclass with the sizes of model and data.
      batch_size: reference batch size in examples; a submission may choose another.
      eval_batch_size: examples per evaluation dispatch.
      step_hint: steps the reference needs for the whole budget; horizon of schedules.
      validation_target_value: set by the harness from the benchmark file; None if it has none.
      data_dir: the root of all data sets on this machine; None where nothing is read from files.
    """

    name: str
    scale: str
    config: Any
    batch_size: int
    eval_batch_size: int
    step_hint: int
    validation_target_value: float | None = None
    # Where, and not what: the same workload elsewhere is equal, and its calibration holds.
    data_dir: str | None = dataclasses.field(default=None, repr=False, compare=False, kw_only=True)

    loss_type: ClassVar[LossType]
    target_metric_name: ClassVar[str]

    # --- what a family writes -------------------------------------------------------------

    @abc.abstractmethod
    def init_model_fn(self, rng: Array) -> tuple[PyTree, PyTree]:
        """Fresh (params, model_state); model_state is {} for a model without running statistics."""

    @abc.abstractmethod
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
        """Logits of a batch and the new model state; a dropout rate of None is the model's own."""

    @abc.abstractmethod
    def loss_fn(
        self,
        label_batch: Array,
        logits_batch: Array,
        mask_batch: Array | None = None,
        label_smoothing: Array | float = 0.0,
    ) -> dict[str, Array]:
        """{'summed': scalar, 'n_valid_examples': scalar, 'per_example': un-reduced}."""

    @abc.abstractmethod
    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        """Each example's part in the metrics: arrays with leading axis (batch,)."""

    @abc.abstractmethod
    def eval_metrics(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        """Metrics of a split from `eval_step`'s outputs of all its examples, padding removed."""

    @abc.abstractmethod
    def source(self, split: str) -> Source:
        """The examples that training reads, "train", or those that evaluations read: "eval_train",
        "validation" and "test". Rows have at least 'inputs' and 'targets'; those that evaluations
        read have one form, whatever the split.

        The same in every process. Raises `data.source.DataError` where files are missing.
        """

    @property
    @abc.abstractmethod
    def targets_per_example(self) -> int:
        """Targets of a training example: tokens where it is a sequence, 1 where it is a label."""

    # --- what follows from it -------------------------------------------------------------

    def augment(self, batch: Batch, rng: Array) -> Batch:
        """Random training-time changes to a gathered batch, on the device. Default: none."""
        del rng
        return batch

    @property
    def groups(self) -> Groups | None:
        """The kinds of the training examples, for `data_selection`; None where there are none that
        mean anything, or where nobody knows them without reading all examples. Default: None.
        """
        return None

    def is_output_params(self, param_key: str) -> bool:
        """Whether `param_key`, a top-level name of the parameter tree, is the output layer."""
        del param_key
        return False

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller value of the target metric is a better one."""
        return self.target_metric_name in LOWER_IS_BETTER

    @property
    def param_shapes(self) -> PyTree:
        """Tree of `ShapeTuple`, one per parameter; nothing is computed."""
        return jax.tree.map(lambda leaf: ShapeTuple(leaf.shape), _abstract_params(self))

    @property
    def model_params_types(self) -> PyTree:
        """Tree of `ParameterType` with the parameters' own tree structure."""
        return jax.tree_util.tree_map_with_path(parameter_types.of_path, _abstract_params(self))

    @property
    def learning_rate_multipliers(self) -> PyTree:
        """Tree of floats, one per parameter, for `optimizers.mup`; all 1 where a family has none.

        They belong to how the model is parametrised, not to the submission.
        """
        return jax.tree.map(lambda leaf: 1.0, _abstract_params(self))

    @property
    def num_params(self) -> int:
        """Scalars in all parameters together."""
        return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(_abstract_params(self)))

    @property
    def evaluated_splits(self) -> tuple[str, ...]:
        """The splits that there are metrics of. Default: all."""
        return SPLITS

    @property
    def num_train_examples(self) -> int:
        """Examples of the training split."""
        return self.source("train").num_examples

    @property
    def num_validation_examples(self) -> int:
        """Examples that every validation metric is computed from."""
        return self.source("validation").num_examples

    @property
    def num_test_examples(self) -> int:
        """Examples that every test metric is computed from; 0 where there is no such split."""
        has_test = "test" in self.evaluated_splits
        return self.source("test").num_examples if has_test else 0

    def has_reached_validation_target(self, eval_result: Mapping[str, float]) -> bool:
        """Whether `eval_result['validation/<metric>']` meets the target; NaN never does."""
        if self.validation_target_value is None:
            return False
        # A comparison with NaN is false either way round, so a diverged trial reaches no target.
        value = eval_result[f"validation/{self.target_metric_name}"]
        if self.lower_is_better:
            return bool(value <= self.validation_target_value)
        return bool(value >= self.validation_target_value)


def num_examples(data: Batch) -> int:
    """Length of the leading axis that all arrays of a split share."""
    return len(next(iter(data.values())))


@functools.cache  # since each of the properties above would trace the model again
def _abstract_params(workload: Workload) -> PyTree:
    """Shapes and types of the parameters; nothing is computed."""
    return jax.eval_shape(workload.init_model_fn, jax.random.key(0))[0]
