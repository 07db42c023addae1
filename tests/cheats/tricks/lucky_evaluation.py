"""Reads its evaluations and ends its training at the first one that is better than expected."""

from algoperf import spec
from plain import data_selection, get_batch_size, init_optimizer_state  # noqa: F401
from plain import update_params as plain_update


def update_params(eval_results, **arguments):
    if eval_results and eval_results[-1][1]["validation/accuracy"] > 0.25:
        raise spec.TrainingCompleteError
    return plain_update(**arguments)
