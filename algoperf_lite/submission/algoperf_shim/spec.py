"""AlgoPerf's `spec`: the enums, which are the harness's own, and the names used in annotations.

Annotations are evaluated when a submission is imported, so every alias must exist.
Source: `algoperf/spec.py` of mlcommons/algorithmic-efficiency.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax

from algoperf_lite.spec import (
    ForwardPassMode,
    LossType,
    ParameterType,
    ShapeTuple,
    TrainingCompleteError,
    Workload,
)

# `isinstance` and `==` must hold between a submission's enums and the harness's: hence the same
# classes, under AlgoPerf's names.
__all__ = [
    "ForwardPassMode",
    "LossType",
    "ParameterType",
    "ShapeTuple",
    "TrainingCompleteError",
    "Workload",
]

Tensor = Any
RandomState = Any
Hyperparameters = Any
OptimizerState = Any
ParameterContainer = Any
ParameterKey = str
ParameterTree = Any
ParameterTypeTree = dict[str, Any]
ParameterShapeTree = dict[str, Any]
ModelAuxiliaryState = Any
ModelInitState = tuple[ParameterContainer, ModelAuxiliaryState]
Timing = int | float
Steps = int
Shape = tuple[int, ...] | ShapeTuple
BatchDict = dict[str, jax.Array]

DataSelectionFn = Callable[..., dict[str, Tensor]]
InitOptimizerFn = Callable[..., OptimizerState]
UpdateReturn = tuple[OptimizerState, ParameterContainer, ModelAuxiliaryState]
UpdateParamsFn = Callable[..., UpdateReturn]
PrepareForEvalFn = Callable[..., UpdateReturn]
GetBatchSizeFn = Callable[[str], int]
InputQueue = Iterator[dict[str, Tensor]]
