"""What JAX has removed and has no equal in it, written anew with the meaning that it had."""

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

NINF, NZERO, PZERO = -math.inf, -0.0, 0.0
Shape = Sequence[int]  # for annotations, as it was


def device_put_sharded(shards: Sequence[Any], devices: Sequence[jax.Device]) -> Any:
    """A tree of arrays with a leading device axis, of which each device has one of `shards`."""
    sharding = NamedSharding(Mesh(np.array(devices), ("device",)), PartitionSpec("device"))
    return jax.tree.map(lambda *x: jax.device_put(jnp.stack(x), sharding), *shards)


def device_put_replicated(x: Any, devices: Sequence[jax.Device]) -> Any:
    """A tree of arrays with a leading device axis, of which each device has the same."""
    return device_put_sharded([x] * len(devices), devices)


def tie_in(x: Any, y: Any) -> Any:
    """`y`; the data dependency on `x` had no effect since JAX 0.2."""
    del x
    return y


def pvary(x: Any, axis_name: Any) -> Any:
    """`x`, taken to differ along a mesh axis."""
    return jax.lax.pcast(x, axis_name, to="varying")


def shuffle(key: jax.Array, x: jax.Array, axis: int = 0) -> jax.Array:
    """`x` with the elements along an axis in random order, each line in one of its own."""
    return jax.random.permutation(key, x, axis, independent=True)


def in1d(ar1: Any, ar2: Any, assume_unique: bool = False, invert: bool = False) -> jax.Array:
    """Whether each element of `ar1`, as one row, is in `ar2`."""
    return jnp.isin(jnp.ravel(ar1), ar2, assume_unique=assume_unique, invert=invert)


def safe_map(function: Callable[..., Any], *rows: Iterable[Any]) -> list[Any]:
    """`map` as a list; raises ValueError for arguments of unlike lengths."""
    return [function(*column) for column in zip(*rows, strict=True)]


def safe_zip(*rows: Iterable[Any]) -> list[tuple[Any, ...]]:
    """`zip` as a list; raises ValueError for arguments of unlike lengths."""
    return list(zip(*rows, strict=True))


def unzip2(pairs: Iterable[tuple[Any, Any]]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The first of all pairs, and the second."""
    pairs = list(pairs)
    return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)


class Clip:
    """`jax.numpy.clip` with the keywords that it had: `a`, `a_min` and `a_max`."""

    def __init__(self, original: Callable[..., jax.Array]):
        functools.update_wrapper(self, original)
        self.original = original

    def __call__(
        self,
        arr: Any = None,
        min: Any = None,  # as JAX calls it
        max: Any = None,
        *,
        a: Any = None,
        a_min: Any = None,
        a_max: Any = None,
    ) -> jax.Array:
        """`arr` between two bounds, each of which may be None."""
        return self.original(
            a if arr is None else arr,
            a_min if min is None else min,
            a_max if max is None else max,
        )
