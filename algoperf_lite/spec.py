"""The contract between harness, workloads and submissions. It imports nothing of ours.

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

Array = jax.Array | np.ndarray
PyTree = Any  # Python's types cannot say "nested dicts, tuples and dataclasses of arrays"
Batch = Mapping[str, Array]

SPLITS = ("train", "validation", "test")
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


class ParameterType(enum.Enum):
    """The role of a parameter, by which optimizers tell matrices from scales and biases."""

    WEIGHT = 0
    BIAS = 1
    CONV_WEIGHT = 2
    BATCH_NORM_SCALE = 3
    BATCH_NORM_BIAS = 4
    LAYER_NORM_SCALE = 5
    LAYER_NORM_BIAS = 6
    EMBEDDING = 7
    ATTENTION_Q = 8
    ATTENTION_K = 9
    ATTENTION_V = 10
    ATTENTION_OUT = 11
    ATTENTION_QKV = 12
    ATTENTION_KV = 13
    ATTENTION_BIAS = 14


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
    """

    name: str
    scale: str
    config: Any
    batch_size: int
    eval_batch_size: int
    step_hint: int
    validation_target_value: float | None = None

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
    def dataset(self, split: str) -> dict[str, np.ndarray]:
        """All examples of a split: arrays with one leading axis; at least 'inputs', 'targets'.

        The same bytes in every process: data come from files or from constants of the generator.
        """

    @abc.abstractmethod
    def eval_step(
        self, params: PyTree, batch: Batch, model_state: PyTree, rng: Array
    ) -> dict[str, Array]:
        """Each example's part in the metrics: arrays with leading axis (batch,)."""

    @abc.abstractmethod
    def eval_metrics(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        """Metrics of a split from `eval_step`'s outputs of all its examples, padding removed."""

    # --- what follows from it -------------------------------------------------------------

    def augment(self, batch: Batch, rng: Array) -> Batch:
        """Random training-time changes to a gathered batch, on the device. Default: none."""
        del rng
        return batch

    def eval_dataset(self, split: str) -> dict[str, np.ndarray]:
        """The rows of `split` that evaluation sees; the arrays of all splits have one form.

        Default: the data set itself. A workload that trains on packed sequences differs.
        """
        return self.dataset(split)

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
        return jax.tree_util.tree_map_with_path(_param_type, _abstract_params(self))

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
    def targets_per_example(self) -> int:
        """Targets of a training example: tokens where it is a sequence, 1 where it is a label."""
        return int(np.prod(self.dataset("train")["targets"].shape[1:]))

    @property
    def num_train_examples(self) -> int:
        """Examples of the training split."""
        return num_examples(self.dataset("train"))

    @property
    def num_validation_examples(self) -> int:
        """Examples that every validation metric is computed from."""
        return num_examples(self.eval_dataset("validation"))

    @property
    def num_test_examples(self) -> int:
        """Examples that every test metric is computed from."""
        return num_examples(self.eval_dataset("test"))

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


_ATTENTION_TYPES = {
    "query": ParameterType.ATTENTION_Q,
    "key": ParameterType.ATTENTION_K,
    "value": ParameterType.ATTENTION_V,
    "out": ParameterType.ATTENTION_OUT,
    "qkv": ParameterType.ATTENTION_QKV,
    "kv": ParameterType.ATTENTION_KV,
}


def _param_type(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> ParameterType:
    """The type of one parameter by its path's names, as AlgoPerf's `algoperf/param_utils.py`."""
    del leaf
    *modules, name = [str(entry.key).lower() for entry in path]
    module = modules[-1] if modules else ""
    is_bias = name == "bias"
    if "embed" in name or ("embed" in module and not is_bias):
        return ParameterType.EMBEDDING
    if "batchnorm" in module or "batch_norm" in module:
        return ParameterType.BATCH_NORM_BIAS if is_bias else ParameterType.BATCH_NORM_SCALE
    if "norm" in module:
        return ParameterType.LAYER_NORM_BIAS if is_bias else ParameterType.LAYER_NORM_SCALE
    if any("attention" in part for part in modules) and module in _ATTENTION_TYPES:
        return ParameterType.ATTENTION_BIAS if is_bias else _ATTENTION_TYPES[module]
    if is_bias:
        return ParameterType.BIAS
    # Of all that a convolution block holds, so also of the dense layers in the Conformer's.
    if any("conv" in part for part in modules):
        return ParameterType.CONV_WEIGHT
    return ParameterType.WEIGHT
