"""Accelerators that are compiled for without being there: XLA asks only for their description.

No time can be measured this way, and nothing that depends on autotuning, which needs the card; what
XLA decides from the program alone is exact: kernels, loops, buffers.
"""

import contextlib

import jax
from jax.experimental import topologies

H100_BYTES = 84_929_347_584  # what the driver says of a card of 80 GB
UNLIMITED_BYTES = 1 << 42  # so much that XLA recomputes nothing to save memory

# The card's properties as a text of XLA's `GpuTargetConfigProto`.
_H100 = """
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: 233472
  threads_per_core_limit: 2048
  core_count: 132
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000
  l2_cache_size: 52428800
  clock_rate_ghz: 1.98
  device_memory_size: {memory}
  shared_memory_per_block_optin: 232448
  cuda_compute_capability {{ major: 9 }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 12 }}
runtime_version {{ major: 13 minor: 0 patch: 0 }}
device_description_str: "NVIDIA H100 80GB HBM3"
"""


def sharding(target: str = "h100", memory: int = H100_BYTES) -> jax.sharding.Sharding:
    """Where arrays would lie: all of them on one device of `target`.

    Args:
      target: "h100", or "v5e" where libtpu is installed.
      memory: bytes of the card; XLA:GPU recomputes what would not fit into them.
    """
    if target == "h100":
        topology = topologies.get_topology_desc(
            platform="cuda", target_config=_H100.format(memory=memory), topology="1x1x1"
        )
    else:
        topology = topologies.get_topology_desc(f"{target}:2x2", platform="tpu")
    return jax.sharding.SingleDeviceSharding(topology.devices[0])


def tracing(target: str = "h100") -> contextlib.AbstractContextManager[object]:
    """The time in which `workloads.platform` takes `target` for the device that is here, so that
    models choose the kernels they have for it."""
    if target != "h100":
        return contextlib.nullcontext()
    card = jax.sharding.AbstractDevice("NVIDIA H100 80GB HBM3", num_cores=132, platform="gpu")
    return jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=card))
