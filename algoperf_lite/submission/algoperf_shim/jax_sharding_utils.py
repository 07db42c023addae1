"""AlgoPerf's `jax_sharding_utils`: arrays on all devices, along one mesh axis named 'batch'."""

from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def get_replicate_sharding() -> NamedSharding:
    """The same array on every device."""
    return NamedSharding(_mesh(), PartitionSpec())


def get_batch_dim_sharding() -> NamedSharding:
    """The leading axis in equal parts over the devices."""
    return NamedSharding(_mesh(), PartitionSpec("batch"))


def shard_along_batch_dim(x: Any) -> Any:
    """A tree of arrays, each split along its leading axis."""
    return jax.device_put(x, get_batch_dim_sharding())


def replicate(x: Any) -> Any:
    """A tree of arrays, each on every device."""
    return jax.device_put(x, get_replicate_sharding())


def display_shard_info(x: jax.Array) -> None:
    """Prints which device holds which part of an array."""
    for shard in x.addressable_shards:
        print(f"{shard.device}: {shard.index}, shape {shard.data.shape}")


# Made anew for each call: there is no device to ask for while this is imported.
def _mesh() -> Mesh:
    return Mesh(jax.devices(), ("batch",))
