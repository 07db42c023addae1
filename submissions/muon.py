"""Muon for hidden matrices, AdamW for the rest, with equal steps (Jordan 2024; Liu et al. 2025)."""

import jax

from algoperf_lite.optimizers.muon import muon
from algoperf_lite.spec import ParameterType

search_space = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 1.0, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "horizon": {"feasible_points": [0.75]},
}
self_tuning_point = {
    "learning_rate": 3.5e-3,
    "one_minus_beta1": 0.06734,
    "weight_decay": 0.08122,
    "warmup_factor": 0.02,
    "horizon": 0.75,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    return muon(
        learning_rate,
        _is_hidden_matrix(workload),
        b1=1 - hp.one_minus_beta1,
        b2=0.9955,
        weight_decay=hp.weight_decay,
        rms=0.2,  # steps as large as AdamW's, so that both share a learning rate
    )


def _is_hidden_matrix(workload):
    # AdamW is for vectors, convolutions, embeddings and the output layer.
    def is_taken(path, shape, kind):
        is_hidden = not (workload.is_output_params(path[0].key) or kind is ParameterType.EMBEDDING)
        return is_hidden and len(shape.shape_tuple) == 2

    return jax.tree.map_with_path(is_taken, workload.param_shapes, workload.model_params_types)
