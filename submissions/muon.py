"""Muon for hidden matrices, AdamW for the rest, with equal steps (Jordan 2024; Liu et al. 2025)."""

import jax
import optax

from algoperf_lite.spec import ParameterType

search_space = {
    "learning_rate": {"min": 5e-4, "max": 3e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-2, "max": 1.0, "scaling": "log"},
    "horizon": {"feasible_points": [1.0]},
}
self_tuning_point = {
    "learning_rate": 2e-2,
    "one_minus_beta1": 0.1,
    "weight_decay": 0.1,
    "horizon": 1.25,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return optax.contrib.muon(
        learning_rate,
        weight_decay=hp.weight_decay,
        consistent_rms=0.2,  # as large as AdamW's steps, so that they share a learning rate
        adam_b1=1 - hp.one_minus_beta1,
        adam_b2=0.99,
        adam_weight_decay=hp.weight_decay,
        muon_weight_dimension_numbers=_hidden_matrices(workload),
    )


def _hidden_matrices(workload):
    # None is for AdamW: vectors, convolutions, embeddings and the output layer.
    def matrix(path, shape, kind):
        is_hidden = not (workload.is_output_params(path[0].key) or kind is ParameterType.EMBEDDING)
        is_matrix = len(shape.shape_tuple) == 2
        return optax.contrib.MuonDimensionNumbers() if is_hidden and is_matrix else None

    return jax.tree.map_with_path(matrix, workload.param_shapes, workload.model_params_types)
