"""The types of parameters, and how a parameter's name tells its type."""

import enum
from typing import Any

import jax


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


_ATTENTION_TYPES = {
    "query": ParameterType.ATTENTION_Q,
    "key": ParameterType.ATTENTION_K,
    "value": ParameterType.ATTENTION_V,
    "out": ParameterType.ATTENTION_OUT,
    "qkv": ParameterType.ATTENTION_QKV,
    "kv": ParameterType.ATTENTION_KV,
}


def of_path(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> ParameterType:
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
