"""Residency: whether a training split lies on the device whole, or is read batch by batch."""

from collections.abc import Mapping

import jax
import numpy as np

from algoperf_lite.data.source import InMemory, Source
from algoperf_lite.machine import environment

_SHARE = 0.25  # of a device's memory, which is for states and activations too
_ON_HOST = 2**30  # bytes, where the device does not say what it has
_MOST_READERS = 32


def arrays(source: Source) -> Mapping[str, np.ndarray] | None:
    """All examples of a split, to be put on the device; None where they are to be read on the way.

    What is in memory anyway stays there; other splits may take a quarter of the device.
    """
    if isinstance(source, InMemory):
        return source.arrays
    stats = jax.local_devices()[0].memory_stats() or {}
    limit = stats.get("bytes_limit")
    return source.in_memory(_ON_HOST if limit is None else int(_SHARE * limit))


def num_readers() -> int:
    """Threads for a feed: one for each core that this process may run on."""
    return min(len(environment.available_cores()), _MOST_READERS)
