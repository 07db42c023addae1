"""The contract's own parts."""

import jax
import pytest

import workloads
from algoperf_lite import spec


def test_hyperparameters_are_trees_of_one_structure():
    one, two = spec.hyperparameters({"a": 1, "b": 2}), spec.hyperparameters({"a": 3, "b": 4})
    assert jax.tree.structure(one) == jax.tree.structure(two)
    assert (one.a, two.b) == (1, 4)
    assert type(one).__name__ == "Hyperparameters"
    assert spec.hyperparameters(None) is None


@pytest.mark.parametrize("name", ["learning rate", "class", "_x", "1st"])
def test_names_that_python_cannot_take_are_refused(name):
    with pytest.raises(ValueError, match="not a plain Python name"):
        spec.hyperparameters({name: 1})


def test_a_target_is_met_at_equality_and_never_by_nan():
    import dataclasses

    digits = dataclasses.replace(workloads.load("digits"), validation_target_value=0.9)
    assert digits.has_reached_validation_target({"validation/accuracy": 0.9})
    assert not digits.has_reached_validation_target({"validation/accuracy": 0.899})
    assert not digits.has_reached_validation_target({"validation/accuracy": float("nan")})
    assert not workloads.load("digits").has_reached_validation_target({"validation/accuracy": 1})


def test_parameter_types_of_a_convolutional_network():
    types = workloads.load("digits").model_params_types
    assert types["Conv_0"]["kernel"] is spec.ParameterType.CONV_WEIGHT
    assert types["Conv_0"]["bias"] is spec.ParameterType.BIAS
    assert types["Dense_0"]["kernel"] is spec.ParameterType.WEIGHT


def test_unknown_workloads_scales_and_variants_are_answered_with_the_nearest():
    with pytest.raises(ValueError, match="unknown workload 'digit'; did you mean 'digits'"):
        workloads.load("digit")
    with pytest.raises(ValueError, match="did you mean 'criteo1tb_layernorm'"):
        workloads.load("criteo1tb_layernrm")
    with pytest.raises(ValueError, match="unknown scale of workload 'digits' 'full'"):
        workloads.load("digits", "full")
