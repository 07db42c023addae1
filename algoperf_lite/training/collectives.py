"""The processes that train one trial act as one: they wait for each other, and process 0 decides.

All of them run the same code, so all call these functions in the same order. In a trial of one
process each returns what it was given, at once.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

_LEAST_BYTES = 64  # of a message; its size doubles, as every size is a program to be compiled


def is_first() -> bool:
    """Whether this is process 0, whose clock, logs and decisions are the trial's."""
    return jax.process_index() == 0


def place() -> dict[str, int]:
    """Which process this is, of how many."""
    return {"process_id": jax.process_index(), "num_processes": jax.process_count()}


def broadcast_from_first(value: Any) -> Any:
    """What process 0 was given, anything that JSON can hold, on every process."""
    if jax.process_count() == 1:
        return value
    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    count = int(multihost_utils.broadcast_one_to_all(np.int32(len(text))))
    message = np.zeros(max(_LEAST_BYTES, 1 << (count - 1).bit_length()), np.uint8)
    if is_first():
        message[:count] = text
    return json.loads(multihost_utils.broadcast_one_to_all(message)[:count].tobytes())


def broadcast_arrays_from_first(
    arrays: Sequence[np.ndarray] | None, forms: Sequence[np.ndarray]
) -> Sequence[np.ndarray]:
    """What process 0 was given, on every process; `forms` are arrays of such shapes and types."""
    if jax.process_count() == 1:
        return arrays
    found = multihost_utils.broadcast_one_to_all(forms if arrays is None else list(arrays))
    return [np.asarray(array) for array in found]


def barrier() -> Callable[[], None] | None:
    """What returns once every process has called it, ready for use; None for one process alone."""
    if not jax.distributed.is_initialized():
        return None
    return lambda: multihost_utils.sync_global_devices("a reading of the clock")


def check_same(facts: Mapping[str, Any]) -> None:
    """Raises ValueError, one sentence, on every process, where a fact differs between them.

    Each process would otherwise go its own way, and hang where the others wait for it.
    """
    if jax.process_count() == 1:
        return
    texts = [json.dumps(value, sort_keys=True).encode() for value in facts.values()]
    own_FxB = np.stack([np.frombuffer(hashlib.sha256(text).digest(), np.uint8) for text in texts])
    all_PxFxB = np.asarray(multihost_utils.process_allgather(own_FxB))
    differs_PxF = (all_PxFxB != all_PxFxB[0]).any(axis=-1)
    for process, fact in np.argwhere(differs_PxF):
        raise ValueError(
            f"process {process} has another {list(facts)[fact]} than process 0; all hosts need the "
            "same files under the same paths, and the same packages"
        )
